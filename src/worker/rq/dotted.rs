//! Dotted paths: the names by which RQ's workers import functions.

/// Accepts `pkg.mod.func`.
///
/// # Errors
/// What is wrong, and the dotted form if `path` has another one.
pub fn check(path: &str) -> Result<(), String> {
    if path.split('.').all(is_identifier) {
        return Ok(());
    }
    let why = format!("RQ's workers import a function by its dotted path, and `{path}` is none");
    match dotted(path) {
        Some(dotted) => Err(format!("{why}: write `{dotted}`")),
        None => Err(format!("{why}: write it like `package.module.function`")),
    }
}

/// As Python has it, but for rare characters that only Python permits.
fn is_identifier(part: &str) -> bool {
    let is_inner = |c: char| c == '_' || c.is_alphanumeric();
    !part.starts_with(|c: char| c.is_numeric()) && !part.is_empty() && part.chars().all(is_inner)
}

/// The dotted form of `mod:func`, `pkg/mod.py:func`, `mod::func` and `mod.func()`.
fn dotted(path: &str) -> Option<String> {
    let path = path.trim().trim_end_matches("()").trim_start_matches("./");
    let path = path.replace(".py:", ":").replace("::", ":").replace([':', '/', '#'], ".");
    path.split('.').all(is_identifier).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotted_path_is_accepted() {
        for path in ["a.b", "shop.jobs.Images.resize", "print", "_x.über.f2"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn another_form_of_path_is_refused_with_the_dotted_one() {
        for (path, dotted) in [
            ("shop.jobs:resize", "shop.jobs.resize"),
            ("shop.jobs:Images.resize", "shop.jobs.Images.resize"),
            ("shop/jobs.py:resize", "shop.jobs.resize"),
            ("./shop/jobs.py::resize", "shop.jobs.resize"),
            ("shop::jobs::resize", "shop.jobs.resize"),
            ("shop.jobs.resize()", "shop.jobs.resize"),
            (" shop.jobs.resize", "shop.jobs.resize"),
        ] {
            let refused = check(path).unwrap_err();
            assert!(refused.ends_with(&format!(": write `{dotted}`")), "{refused}");
        }
        for path in ["", ".", "a..b", "a.2b", "send mail", "a-b.c", "{{ x }}"] {
            let refused = check(path).unwrap_err();
            assert!(refused.ends_with("write it like `package.module.function`"), "{refused}");
        }
    }
}
