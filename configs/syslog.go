package configs

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
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

// syslog warns where the journal takes the messages: it reads the older form alone
// (sd-journald's manager_process_syslog_message), and would show the header as text.
func (t *trap) syslog() {
	ofSystemd := []string{"unix:/dev/log", "unix:/run/systemd/journal/dev-log"}
	if t.process.Log.To == LogSyslog && slices.Contains(ofSystemd, t.process.Log.Address) && journal.Enabled() {
		t.warn("log.address", `%s is systemd's journal on this machine, which does not read RFC 5424; write log = { to = "journal" }, which keeps more`, t.process.Log.Address)
	}
}
