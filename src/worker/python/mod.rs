//! Values as Python writes them: pickles, and `repr`.

pub(super) mod json;
pub(super) mod pickle;
mod repr;
pub(super) mod unpickle;

pub(super) use self::repr::repr;
pub use self::unpickle::UnpickleError;
