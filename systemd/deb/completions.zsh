#compdef downbeat
# Asked of the program, so that they are always its own.
eval "$(downbeat completions zsh)"
_clap_dynamic_completer_downbeat "$@"
