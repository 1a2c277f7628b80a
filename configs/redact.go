package configs

import (
	"regexp"
	"strings"
)

// secretWords are in names of secrets, with whatever before and behind.
const secretWords = `passw(?:or)?d|passphrase|secret|token|(?:api|access|private)[_-]?key|credentials?`

// A secret in a command line belongs into env_file, and is there all the same. These are
// the forms that give one away: the password in a URL, and what follows a word such as
// password or token, with = or a space or as the next item of a list.
var (
	inURL     = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@"']*:)[^\s/"']+@`)
	afterWord = regexp.MustCompile(`(?i)((?:[\w.-]*(?:` + secretWords + `|dsn)[\w-]*|` +
		`(?:\b|[\w.-]*[_.-])(?:pass|pwd|masterauth|requirepass))(?:"?\s*[=:]\s*|\s+|"\s*,\s*|'\s*,\s*))("[^"]*"|'[^']*'|[^\s"',\]]+)`)
)

// Redact hides in a text, such as a command line, what looks like a secret.
func Redact(text string) string {
	text = inURL.ReplaceAllString(text, "${1}"+hidden+"@")
	return afterWord.ReplaceAllString(text, "${1}"+hidden)
}

var (
	secretName = regexp.MustCompile(`(?i)` + secretWords + `|(^|[^a-z])(pass|pw|pwd|jwt|dsn|auth|salt|webhook|requirepass|masterauth)$|` +
		`(^|[_.-])(encryption|signing|sign|hmac|cookie|session|stripe|master|license|app|jwt|aes|ssh)[_-]?key$`)
	aboutSecret = regexp.MustCompile(`(?i)[_.-](file|dir|path|name|id|type|count|length|ttl|timeout|age|url|header|algorithm|expires?|expiry)$`)
	plainValue  = regexp.MustCompile(`^(\d*|true|false|yes|no|on|off|none|\.{0,2}/[\w./-]*)$`)
)

// IsSecret reports whether a variable or an option of that name, whatever the case, is most
// likely a secret, which nobody but its user is to read. It is a guess.
func IsSecret(name, value string) bool {
	name = strings.TrimLeft(name, "-")
	if name == "PWD" || name == "OLDPWD" { // of the shell
		return false
	}
	return secretName.MatchString(name) && !aboutSecret.MatchString(name) && !plainValue.MatchString(strings.ToLower(value))
}
