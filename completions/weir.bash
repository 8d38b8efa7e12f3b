# Completion of weir's commands and options in bash.
# SPDX-License-Identifier: MIT

_weir()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]-} command=${COMP_WORDS[1]-} options=''
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'serve new top --help --version' -- "$word")
        return
    fi
    case $command:$before in
    serve:--log)
        mapfile -t COMPREPLY < <(compgen -W 'common combined json off' -- "$word")
        return
        ;;
    serve:--host)
        mapfile -t COMPREPLY < <(compgen -W '127.0.0.1 0.0.0.0 ::1 :: localhost' -- "$word")
        return
        ;;
    serve:--cert | serve:--key | serve:--auth-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    serve:--upload)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    serve:--port | serve:-p | serve:--index | serve:--cache | serve:--immutable | serve:--auth | serve:--upload-at | \
        serve:--proxy-protocol | serve:--upload-limit | serve:--memory-limit | serve:--workers | top:--count | \
        top:--interval | top:--header)
        return
        ;;
    esac
    case $command in
    # serve
    serve)
        options='--host --port --cert --key --self-signed --proxy-protocol --index --listing --no-listing --spa --hidden
            --no-links --compress --no-precompressed --cache --immutable --cors --auth --auth-file --upload --upload-at
            --upload-limit --memory-limit --workers --log --quiet --verbose --help --version'
        ;;
    # end of serve
    top) options='--once --count --interval --header --help' ;;
    new) options='--help' ;;
    esac
    if [ "${word:0:1}" = - ]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [ "$command" = serve ]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    fi
}

complete -o filenames -F _weir weir
