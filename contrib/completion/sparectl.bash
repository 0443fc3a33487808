# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of sparectl for bash. sparectl itself knows what may follow; without a daemon it offers no names.

_sparectl() {
	local words=() word i cur line
	COMPREPLY=()
	# bash takes "fact=value" for three words.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ ${#words[@]} -gt 0 && ($word == = || (${words[-1]} == *= && ${COMP_WORDS[i - 1]} == =)) ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
	done
	cur=${words[-1]}
	while IFS= read -r line; do
		if [[ $line == :files ]]; then
			compopt -o filenames 2> /dev/null
			while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
			continue
		fi
		[[ $line != *= ]] || compopt -o nospace 2> /dev/null
		# What stands before the last "=" is not part of the word that bash replaces.
		[[ $cur != *=* ]] || line=${line#"${cur%"${cur##*=}"}"}
		COMPREPLY+=("$line")
	done < <("${COMP_WORDS[0]}" complete -- "${words[@]}" 2> /dev/null)
}
complete -F _sparectl sparectl
