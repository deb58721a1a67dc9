# Asked of the program, so that they are always its own.
downbeat completions fish | source
