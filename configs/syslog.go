package configs

import (
	"path/filepath"
	"strings"
)

// Facility is that of syslog's messages, by name.
type Facility string

// facilityNumbers are those of RFC 5424, 6.2.1, by the names of syslog.conf(5).
var facilityNumbers = map[Facility]int{"user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
	"authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23}

var facilities = sortedKeys(facilityNumbers)

// Number is the one in the messages.
func (f Facility) Number() int { return facilityNumbers[f] }

// syslogAddress is where a server takes messages.
func syslogAddress(in input) (string, bool) {
	s, ok := text(in)
	if !ok {
		return "", false
	}
	network, where, _ := strings.Cut(s, ":")
	switch {
	case network == "unix" && filepath.IsAbs(where):
		return "unix:" + filepath.Clean(where), true
	case (network == "udp" || network == "tcp") && isHostPort(where):
		return s, true
	}
	in.fail(`%q: want where a syslog server listens, such as "unix:/dev/log", "udp:logs.example.org:514" or "tcp:127.0.0.1:514"`, s)
	return "", false
}
