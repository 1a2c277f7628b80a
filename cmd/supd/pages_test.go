package main_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

const pagesDirectory = "../../configs/docs"

var drafting = flag.Bool("draft", false, "TestPages writes what the commands print into the pages where they say something else")

// TestPages does what the pages say, line by line, as their reader would: each in a
// Debian of its own that was booted with systemd.
func TestPages(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	followed := map[string]bool{"servers.md": true} // by scripts, see takeApp
	for _, r := range readers {
		followed[r.page] = true
		t.Run(r.page, func(t *testing.T) {
			t.Parallel()
			r.follow(t)
		})
	}
	pages, err := filepath.Glob(filepath.Join(pagesDirectory, "*.md"))
	check(t, err)
	for _, file := range pages {
		text, err := os.ReadFile(file)
		check(t, err)
		if strings.Contains(string(text), "\n```") && !followed[filepath.Base(file)] {
			t.Errorf("nobody does what %s says", file)
		}
	}
}

// readers are those of all pages that have something to do.
var readers = []reader{
	{page: "first-app.md", user: "root", bare: true},
	{page: "without-root.md", user: "alice", bare: true},
	{page: "jobs.md", user: "root"},
	{page: "changes.md", user: "root"},
	{page: "exit-codes.md", user: "root"},
	{page: "troubleshooting.md", user: "root"},
	{page: "moving.md", user: "root", bare: true},
}

// reader is who follows a page.
type reader struct {
	page string
	user string // who types, in his home directory
	bare bool   // the page itself installs supd, from the package in the home directory
}

func (r reader) follow(t *testing.T) {
	file := filepath.Join(pagesDirectory, r.page)
	text, err := os.ReadFile(file)
	check(t, err)
	p, err := readPage(string(text))
	check(t, err)
	c := newContainer(t)
	deb := c.packSupd()
	c.boot()
	home := "/root"
	if r.user != "root" {
		c.must("useradd", "--create-home", "--shell", "/bin/bash", r.user)
		home = "/home/" + r.user
	}
	c.must("cp", deb, home)
	if !r.bare {
		c.must("dpkg", "-i", deb)
	}
	s := c.shell(r.user, home)
	printed := map[int]string{}
	for i, step := range p.steps {
		asked := i+1 < len(p.steps) && p.steps[i+1].command == "echo $?"
		got, ok := step.follow(s, asked)
		switch {
		case ok:
		case *drafting:
			printed[i] = got
		default:
			t.Errorf("%s:%d: $ %s\nprints\n%s\nand the page says\n%s", r.page, step.line, step.command, got, step.text)
		}
	}
	if *drafting {
		check(t, os.WriteFile(file, []byte(p.with(printed)), 0o644))
	}
}

// packSupd puts supd's own package into the container.
func (c *container) packSupd() (path string) {
	c.t.Helper()
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		missing(c.t, "rpmbuild is not installed, and both packages are built at a time")
	}
	check(c.t, packagesOnce())
	name := "supd_1.0_" + runtime.GOARCH + ".deb"
	c.copyIn(filepath.Join(built.root, "dist", name), "/srv/"+name)
	return "/srv/" + name
}

// looks matches commands that change nothing, which are given time to print what the
// page says: a reader is slower than this test. All others are typed once.
var looks = regexp.MustCompile(`^(supctl (-\S+ )*(status|wait|logs|releases|events|check-health)|supervisorctl status|systemctl (status|is-active)|journalctl|cat|ls|tail|curl)\b`)

// readersPatience is longer than the minute that some pages speak of.
const readersPatience = 3 * time.Minute

// follow does what the step says, and gives what that prints and whether it is what the page
// says. A command that prints nothing has to succeed, unless the next one asks for its
// exit code.
func (s *step) follow(sh *shell, asked bool) (printed string, ok bool) {
	if s.file != "" {
		sh.write(s.file, s.text)
		return "", true
	}
	want := expected(s.text)
	deadline := time.Now().Add(readersPatience)
	if *drafting && s.text == "" {
		deadline = time.Now().Add(2 * time.Second)
	}
	for {
		printed, code := sh.run(s.command)
		if want.MatchString(printed) && (code == 0 || printed != "" || asked) {
			return printed, true
		}
		if !looks.MatchString(s.command) || time.Now().After(deadline) {
			return printed, false
		}
		time.Sleep(10 * interval)
	}
}
