# bash completion of lmzip, lmunzip and lmcat; made by `lmzip --completion bash`
_lmzip() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} word name
    COMPREPLY=()
    case $previous in
    --import-model) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --get-model) mapfile -t COMPREPLY < <(compgen -W 'smollm2' -- "$current"); return ;;
    -o | --output) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    -S | --suffix) return ;;
    --files0-from) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --files-from) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    -T | --threads) return ;;
    -M | --memlimit | --memory) return ;;
    --block-size) return ;;
    --model) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -W 'auto ngram bytelm3' -f -- "$current"); return ;;
    --device) mapfile -t COMPREPLY < <(compgen -W 'auto cpu cuda' -- "$current"); return ;;
    --dtype) mapfile -t COMPREPLY < <(compgen -W 'float32 bfloat16 float16' -- "$current"); return ;;
    --range) return ;;
    --max-time) return ;;
    --completion) mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$current"); return ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-d --decompress --uncompress -z --compress -t --test -l --list --estimate --bench --import-model --get-model -c --stdout --to-stdout -o --output -k --keep --rm -f --force -r --recursive -S --suffix --files0-from --files-from -n --no-name -N --name --sync -1 -2 -3 -4 -5 -6 -7 -8 -9 --fast --best -T --threads -M --memlimit --memory --block-size --model --ultra --device --dtype --allow-download --verify --no-verify --salvage --range --max-time -v --verbose -q --quiet --progress --no-progress --json --list-models --completion -h --help -V --version' -- "$current")
        return
    fi
    # Compressed files only, where they are what is worked on; directories always, to get to them.
    local decompress=
    [[ ${COMP_WORDS[0]##*/} == lmunzip ]] && decompress=1
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        --decompress | --uncompress | --test | --list | --salvage) decompress=1 ;;
        --*) ;;
        -*[dtl]*) decompress=1 ;;
        esac
    done
    compopt -o filenames 2>/dev/null
    while IFS= read -r name; do
        if [[ -d $name || -z $decompress ]]; then
            COMPREPLY+=("$name")
        else
            case ${name,,} in *.lmz | *.tlmz) COMPREPLY+=("$name") ;; esac
        fi
    done < <(compgen -f -- "$current")
}
complete -F _lmzip lmzip lmunzip lmcat
