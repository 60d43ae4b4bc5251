# Completion of actscope's command line for bash. The program itself tells what fits (`actscope __complete'), so that this
# file knows neither commands nor options. Installed as share/bash-completion/completions/actscope, which bash-completion
# reads by itself; without it: source this file.

# Bash splits words at the characters of COMP_WORDBREAKS, = and : among them, which options and weights contain. Puts
# together again what stands on the line without a blank between; sets words, and begins[i], the number of words[i]'s
# first piece in COMP_WORDS.
_actscope_words() {
  local line=${COMP_LINE:0:COMP_POINT} i piece
  words=() begins=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    piece=${COMP_WORDS[i]}
    if ((${#words[@]} == 0)) || [[ $line == [[:space:]]* ]]; then
      words+=("$piece") begins+=("$i")
    else
      words[-1]+=$piece
    fi
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#"$piece"}
  done
}

_actscope() {
  local -a words begins
  local program current answer line before program_at=-1 files=
  COMPREPLY=()
  _actscope_words
  current=${words[-1]}
  program=${words[0]/#\~/$HOME}
  answer=$("$program" __complete "${words[@]}" 2>/dev/null) || return

  # Of a word that bash has split, only what stands behind its last break is replaced.
  before=${current%"${COMP_WORDS[COMP_CWORD]}"}
  [[ ${COMP_WORDS[COMP_CWORD]} == [=:] ]] && before=$current
  while IFS= read -r line; do
    case $line in
      '') ;;
      :files) files=yes ;;
      :nospace) compopt -o nospace 2>/dev/null ;;
      ':program '*) program_at=${begins[${line#:program }]} ;;
      *)
        line=${line%%$'\t'*}
        COMPREPLY+=("${line#"$before"}")
        ;;
    esac
  done <<<"$answer"

  if ((program_at >= 0)); then
    if declare -F _comp_command_offset >/dev/null; then
      _comp_command_offset "$program_at"
    elif declare -F _command_offset >/dev/null; then
      _command_offset "$program_at"
    elif ((program_at == COMP_CWORD)); then
      mapfile -t COMPREPLY < <(compgen -c -- "$current")
    else
      files=yes
    fi
  fi
  # Readline's own way with names of files knows quotes and ~; beside other candidates it cannot be had.
  if [[ $files ]] && ! { ((${#COMPREPLY[@]} == 0)) && compopt -o default 2>/dev/null; }; then
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${current#"$before"}")
  fi
}

complete -F _actscope actscope
