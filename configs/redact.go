package configs

import "regexp"

// A secret in a command line belongs into env_file, and is there all the same. These are
// the forms that give one away: the password in a URL, and what follows a word such as
// password or token, with = or a space or as the next item of a list.
var (
	inURL     = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@"']*:)[^\s/@"']+@`)
	afterWord = regexp.MustCompile(`(?i)([\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|dsn)[\w-]*(?:=|:\s*|\s+|"\s*,\s*|'\s*,\s*))("[^"]*"|'[^']*'|[^\s"',\]]+)`)
)

// Redact hides in a text, such as a command line, what looks like a secret.
func Redact(text string) string {
	text = inURL.ReplaceAllString(text, "${1}"+hidden+"@")
	return afterWord.ReplaceAllString(text, "${1}"+hidden)
}
