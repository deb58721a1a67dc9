use super::Cron;
impl Cron {
    /// In plain English.
    #[must_use]
    pub fn describe(&self) -> String {
        String::new()
    }
}
