//! Schedule files and the service configuration: text in, checked values or every problem out.
