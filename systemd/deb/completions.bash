# Asked of the program, so that they are always its own.
eval "$(downbeat completions bash)"
