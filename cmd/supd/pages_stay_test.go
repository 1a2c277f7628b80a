package main_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhatStays makes what the rows of what-stays.md name, and does to it what the
// columns say. What is seen of it is the same afterwards where the cell says "stays".
func TestWhatStays(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	rows := tableOf(t, "what-stays.md")
	c := &supdContainer{container: newContainer(t)}
	deb := c.packSupd()
	for path, text := range stayFiles {
		c.write(path, text)
	}
	c.boot()
	c.must("sh", "-ec", staySetup, "sh", deb)
	if len(rows) != len(seen)+1 || len(rows[0]) != len(events)+1 {
		t.Fatalf("%d rows of %d cells, want %d of %d", len(rows), len(rows[0]), len(seen)+1, len(events)+1)
	}
	for i, event := range events {
		t.Run(event.name, func(sub *testing.T) {
			c.t = sub
			defer func() { c.t = t }()
			if !strings.Contains(rows[0][i+1], event.name) {
				c.t.Fatalf("the column is %s", rows[0][i+1])
			}
			c.stays(rows[1:], i+1, event.do)
		})
	}
}

// events are the columns.
var events = []struct {
	name string
	do   func(*supdContainer)
}{
	{"apply", func(c *supdContainer) { c.must("supctl", "apply") }},
	{"reexec", func(c *supdContainer) { c.must("supctl", "reexec") }},
	{"kill", func(c *supdContainer) { supd := c.show("MainPID"); c.signal("KILL"); c.awaitAnother(supd) }},
	{"restart", func(c *supdContainer) { c.must("systemctl", "restart", "supd") }},
	{"reboot", func(c *supdContainer) { c.reboot() }},
}

// seen are the rows: what is in the first cell, how it is made, beside the command that
// the cell names, and what shows it.
var seen = []struct{ row, make, look string }{
	{"workers", "", "supctl pid shop/web"},
	{"sockets", "", "awk '$2 ~ /:1F40$/ { print $10 }' /proc/net/tcp"},
	{"stop shop/queue", "", stateOf("shop/queue")},
	{"stop --persist shop/night", "", stateOf("shop/night")},
	{"start shop/tool", "", stateOf("shop/tool")},
	{"start --persist shop/lasting", "", stateOf("shop/lasting")},
	{"start shop/once", "", stateOf("shop/once")},
	{"scale", "", "supctl pid shop/extra | wc -w"},
	{"hold", "", "supctl deploy shop 2>&1 | grep -c ' is held '"},
	{"releases", "", "supctl releases shop | awk 'NF { print $1, $2 } !NF { exit }'"},
	{"rollout", "supctl deploy --no-wait slow 1.1 || true; until supctl status slow 2>&1 | grep ': bake'; do sleep 0.1; done", "supctl status slow 2>&1 | grep ': bake'; supctl releases slow"},
	{"FAILED", "supctl start bad || true", "wc -l </var/log/supd/bad/web.log"},
	{"restarts", "was=$(supctl pid shop/crash); kill -KILL $was; while [ \"$(supctl pid shop/crash)\" = $was ]; do sleep 0.1; done", "supctl status shop/crash | grep -o '[0-9]* restart'"},
	{"counters", "", `curl -s http://127.0.0.1:9188/metrics | awk '/^supd_worker_restarts_total.*"crash"/ { n += $2 } END { print n }'`},
	{"output", "", "head -n 1 /var/log/supd/shop/web.log"},
	{"refused", "echo x >/etc/supd/apps/x.toml; supctl apply || true; rm /etc/supd/apps/x.toml", "supctl status 2>&1 | grep -c '^not applied'"},
}

func stateOf(target string) string { return "supctl status " + target + " | awk '{ print $2 }'" }

// stays makes all rows, lets something happen, and compares what is seen of them with
// the cells of that column.
func (c *supdContainer) stays(rows [][]string, column int, do func(*supdContainer)) {
	before := make([]string, len(rows))
	for i, r := range seen {
		if !strings.Contains(rows[i][0], r.row) {
			c.t.Fatalf("the row is %s, want one on %s", rows[i][0], r.row)
		}
		script := r.make
		for j, part := range strings.Split(rows[i][0], "`") {
			if j%2 == 1 && strings.HasPrefix(part, "supctl ") && !slices.Contains([]string{"supctl status", "supctl logs"}, part) {
				script += "\n" + part
			}
		}
		c.must("sh", "-ec", script)
	}
	c.rests()
	for i, r := range seen {
		before[i], _ = c.run("sh", "-c", "exec 2>/dev/null; "+r.look)
	}
	do(c)
	c.rests()
	for i, r := range seen {
		after, _ := c.run("sh", "-c", "exec 2>/dev/null; "+r.look)
		cell := rows[i][column]
		says := strings.HasPrefix(cell, "stay") || strings.HasPrefix(cell, "goes on")
		if is := after == before[i]; is != says {
			c.t.Errorf("%s: the page says %q, but %q is %q now", rows[i][0], cell, before[i], after)
		}
	}
}

// rests waits until no worker is on its way to another state.
func (c *supdContainer) rests() {
	c.t.Helper()
	eventually(c.t, "rest", func() error {
		out, err := c.run("supctl", "status", "shop", "bad")
		for _, passing := range []string{"STARTING", "BACKOFF", "STOPPING", "no supd answers"} {
			if strings.Contains(out, passing) {
				return errors.Join(err, fmt.Errorf("%s", out))
			}
		}
		return nil
	})
}

// tableOf gives the cells of the only table of a page, the headings first.
func tableOf(t *testing.T, page string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pagesDirectory, page))
	check(t, err)
	for line := range strings.Lines(string(text)) {
		if line, is := strings.CutPrefix(line, "|"); is && !strings.HasPrefix(line, " ---") {
			cells := strings.Split(strings.TrimSuffix(line, "|\n"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

const staySetup = `useradd --system --user-group --no-create-home --shell /usr/sbin/nologin shop
dpkg -i "$1"
mkdir -p /opt/shop/1.0 /opt/shop/1.1
supctl apply || test $? = 7
supctl register shop 1.0 --deploy
supctl register shop 1.1 --deploy
supctl rollback shop
supctl register slow 1.0 --path /opt/shop/1.0 --deploy
supctl register slow 1.1 --path /opt/shop/1.1
sed -i 's/bake = "0s"/bake = "10h"/' /etc/supd/apps/slow.toml
supctl apply slow
`

var stayFiles = map[string]string{
	"/etc/supd/apps/shop.toml": `user = "shop"
[release]
directory = "/opt/shop"
[rollout]
min_ready = "0s"
bake = "0s"
[socket.web]
listen = "tcp:127.0.0.1:8000"
[process.web]
command = "sh -c 'echo $$; exec sleep infinity'"
sockets = ["web"]
[process.queue]
command = "sleep infinity"
[process.night]
command = "sleep infinity"
[process.tool]
command   = "sleep infinity"
autostart = false
[process.lasting]
command   = "sleep infinity"
autostart = false
[process.once]
command   = "true"
autostart = false
restart   = "never"
[process.extra]
command = "sleep infinity"
[process.crash]
command = "sleep infinity"
`,
	"/etc/supd/apps/slow.toml": `user = "shop"
[release]
directory = "/opt/slow"
[rollout]
min_ready = "0s"
bake = "0s"
[process.web]
command = "sleep infinity"
`,
	"/etc/supd/apps/bad.toml": `user = "shop"
[process.web]
command       = "sh -c 'echo failing; exit 1'"
give_up_after = 2
`,
}
