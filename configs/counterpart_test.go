package configs

import (
	"strings"
	"testing"
)

// What is to be written instead of a name of another supervisor is right, and no name is
// one of ours: it would never be told of.
func TestForeign(t *testing.T) {
	for _, room := range []struct {
		names map[string]counterpart
		keys  []string
		file  string
		text  func(write string) string
	}{
		{foreignProcess, allNames(processKeys), "apps/web.toml", func(write string) string {
			if !strings.HasPrefix(write, "user = ") {
				write += "\nuser = \"nobody\""
			}
			if !strings.HasPrefix(write, "command = ") {
				write += "\ncommand = \"true\""
			}
			return "[socket.web]\nlisten = \"unix:/run/web.sock\"\n[process.other]\ncommand = \"true\"\nuser = \"nobody\"\n[process.web]\n" + write + "\n"
		}},
		{foreignDaemon, allNames(daemonKeys), "supd.toml", func(write string) string { return "[daemon]\n" + write }},
		{foreignControl, allNames(controlKeys), "supd.toml", func(write string) string { return "[control]\n" + write }},
		{foreignSocket, allNames(socketKeys), "apps/web.toml", func(write string) string {
			return "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n[socket.web]\n" + write + "\n" + map[bool]string{true: "listen = \"unix:/s\""}[!strings.HasPrefix(write, "listen")]
		}},
	} {
		for name, f := range room.names {
			for _, own := range room.keys {
				if name == own {
					t.Errorf("%s is a key here", name)
				}
			}
			if f.write == "" {
				if f.note == "" {
					t.Errorf("%s: no remedy", name)
				}
				continue
			}
			text := room.text(strings.NewReplacer("OTHER", "other", "NAME", "web").Replace(f.write))
			if _, err := load(lay(t, map[string]string{room.file: text})); err != nil {
				t.Errorf("%s: %s: %v", name, f.write, err)
			}
		}
	}
}

// In supd.toml there are no processes.
func TestForeignDaemon(t *testing.T) {
	_, err := load(lay(t, map[string]string{"supd.toml": "[program:web]\ncommand=/usr/bin/web\n[supervisord]\nnodaemon=true\n[daemon]\npidfile = \"/run/x\"\n[include]\nfiles = /etc/x/*.conf\n[unix_http_server]\nfile=/run/s.sock\n[control]\nchmod = \"0770\"\n"}))
	want := []string{
		`supd.toml:1: "program:web": supervisord's [program:web] is [process.web] here, in a file for each app: apps/APP.toml`,
		"supd.toml:2: text is written in quotes",
		"supd.toml:3: supervisord: [supervisord] is supervisord's; write [daemon] in supd.toml",
		"supd.toml:6: daemon.pidfile: is supervisord's name; start supd with --pidfile FILE",
		"supd.toml:7: include: [include] is supervisord's; supd reads each *.toml in the directory daemon.apps; remove it",
		"supd.toml:8: text is written in quotes",
		"supd.toml:9: unix_http_server: [unix_http_server] is supervisord's; write [control] in supd.toml",
		"supd.toml:10: text is written in quotes",
		`supd.toml:12: control.chmod: is supervisord's name; write mode = "0660"`,
	}
	checkWords(t, told(err)+"\n", want)
}
