//! Pure: a due slot becomes the bytes a worker takes. One file per worker kind.
