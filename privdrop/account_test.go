package privdrop

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const passwdText = `root:x:0:0:root:/root:/bin/bash
# a comment
broken
whois:x:998:997::/srv/whois:/usr/sbin/nologin
bare:x:1001:1001:::
4711:x:1002:1001::/home/number:/bin/sh
last:x:4711:1001::/home/last:/bin/sh`

const groupText = `root:x:0:
www-data:x:33:whois,other
whois:x:997:whois
ssl-cert:x:104:other,whois
media:x:44:whoisnot
`

// A getent(1) with a directory server behind it.
const getentText = `#!/bin/sh
case "$1 $2" in
"passwd ldap") echo "ldap:*:20001:20000:LDAP user:/home/ldap:/bin/zsh" ;;
"initgroups ldap") echo "ldap                  20000 33 20007" ;;
"group staff") echo "staff:*:20000:" ;;
"group "*) # of several, those that it knows
	shift
	for name; do case $name in staff | 20000) echo "staff:*:20000:" ;; ops) echo "ops:*:20001:" ;; esac; done
	echo x >>"$(dirname "$0")/asked" ;;
"passwd hangs") exec sleep 1000 ;;
*) exit 2 ;;
esac
`

func testDatabase(t *testing.T) database {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return database{write("passwd", passwdText, 0o644), write("group", groupText, 0o644), []string{"/nonexistent", write("getent", getentText, 0o755)}, new(hang)}
}

func TestLookup(t *testing.T) {
	d := testDatabase(t)
	for _, test := range []struct {
		name string
		id   Identity
		want Account
	}{
		{"name", Identity{User: "whois"}, Account{"whois", 998, 997, []int{33, 104}, "/srv/whois", "/usr/sbin/nologin"}},
		{"uid", Identity{User: "998"}, Account{"whois", 998, 997, []int{33, 104}, "/srv/whois", "/usr/sbin/nologin"}},
		{"group", Identity{User: "whois", Group: "www-data"}, Account{"whois", 998, 33, []int{104, 997}, "/srv/whois", "/usr/sbin/nologin"}},
		{"gid", Identity{User: "whois", Group: "5000"}, Account{"whois", 998, 5000, []int{33, 104, 997}, "/srv/whois", "/usr/sbin/nologin"}},
		{"no groups", Identity{User: "whois", Groups: []string{}}, Account{"whois", 998, 997, []int{}, "/srv/whois", "/usr/sbin/nologin"}},
		{"groups", Identity{User: "whois", Groups: []string{"media", "33", "media", "whois"}}, Account{"whois", 998, 997, []int{33, 44}, "/srv/whois", "/usr/sbin/nologin"}},
		{"groups of several kinds", Identity{User: "whois", Groups: []string{"ops", "33", "staff", "5000", "media", "20000"}}, Account{"whois", 998, 997, []int{33, 44, 5000, 20000, 20001}, "/srv/whois", "/usr/sbin/nologin"}},
		{"empty fields", Identity{User: "bare"}, Account{"bare", 1001, 1001, nil, "/", "/bin/sh"}},
		{"name before number", Identity{User: "4711"}, Account{"4711", 1002, 1001, nil, "/home/number", "/bin/sh"}},
		{"root", Identity{User: "root"}, Account{"root", 0, 0, nil, "/root", "/bin/bash"}},
		{"uid without entry", Identity{User: "3000", Group: "3001"}, Account{"", 3000, 3001, nil, "/", "/usr/sbin/nologin"}},
		{"getent", Identity{User: "ldap"}, Account{"ldap", 20001, 20000, []int{33, 20007}, "/home/ldap", "/bin/zsh"}},
		{"group by getent", Identity{User: "whois", Group: "staff", Groups: []string{}}, Account{"whois", 998, 20000, []int{}, "/srv/whois", "/usr/sbin/nologin"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := d.lookup(test.id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestManyGroups costs one look into the file and one getent for many of them.
func TestManyGroups(t *testing.T) {
	d := testDatabase(t)
	id := Identity{User: "whois", Groups: []string{"media"}}
	for n := range MostGroups - 1 {
		id.Groups = append(id.Groups, strconv.Itoa(100_000+n))
	}
	a, err := d.lookup(id)
	if err != nil || len(a.Groups) != MostGroups || a.Groups[0] != 44 || a.Groups[1] != 100_000 {
		t.Fatalf("%v", err)
	}
	asked, err := os.ReadFile(filepath.Join(filepath.Dir(d.group), "asked"))
	if err != nil || len(asked)/2 != MostGroups/askedAtATime {
		t.Errorf("getent was asked %d times, %v", len(asked)/2, err)
	}
}

// TestGroupNamedLikeANumber: as for users, the name counts first.
func TestGroupNamedLikeANumber(t *testing.T) {
	for _, text := range []string{"a:x:5:\n5:x:6:\nb:x:5:\n", "5:x:6:\na:x:5:\n"} {
		wanted := map[string]string{"5": "", "none": ""}
		takeNumbers([]byte(text), wanted)
		if wanted["5"] != "6" || wanted["none"] != "" {
			t.Errorf("%q: %v", text, wanted)
		}
	}
}

func TestLookupFails(t *testing.T) {
	d := testDatabase(t)
	none := d
	none.getent = nil
	noID := `4294967295, or -1, means "unchanged" to setresuid(2) and is no id`
	for _, test := range []struct {
		id   Identity
		want string
	}{
		{Identity{}, "user: not set"},
		{Identity{User: "whios"}, `user "whios" does not exist (create it, or set another user)`},
		{Identity{User: "who"}, `user "who" does not exist (create it, or set another user)`},
		{Identity{User: "x"}, `user "x" does not exist (create it, or set another user)`},
		{Identity{User: "--help"}, `user "--help" does not exist (create it, or set another user)`},
		{Identity{User: "a:b"}, `user "a:b" does not exist (create it, or set another user)`},
		{Identity{User: "-1"}, `user "-1": ` + noID},
		{Identity{User: "4294967295", Group: "33"}, `user "4294967295": ` + noID},
		{Identity{User: "4294967296"}, `user "4294967296" does not exist (create it, or set another user)`},
		{Identity{User: "3000"}, `user "3000" has no entry in the user database, so it needs a group (set group)`},
		{Identity{User: "whois", Group: "nogroups"}, `group "nogroups" does not exist (create it, or set another group)`},
		{Identity{User: "whois", Groups: []string{"33", "-1"}}, `group "-1": ` + noID},
	} {
		for kind, d := range map[string]database{"with getent": d, "without": none} {
			if _, err := d.lookup(test.id); err == nil || err.Error() != test.want {
				t.Errorf("%+v %s: %v, want %s", test.id, kind, err, test.want)
			}
		}
	}
}

func TestLookupOwner(t *testing.T) {
	d := testDatabase(t)
	for _, test := range []struct {
		user, group string
		uid, gid    int
		fails       string
	}{
		{"", "", keepID, keepID, ""},
		{"whois", "", 998, 997, ""},
		{"998", "", 998, 997, ""},
		{"whois", "www-data", 998, 33, ""},
		{"", "www-data", keepID, 33, ""},
		{"4000000000", "", 4000000000, keepID, ""},
		{"4000000000", "4000000001", 4000000000, 4000000001, ""},
		{"ldap", "staff", 20001, 20000, ""},
		{"whios", "", 0, 0, "does not exist"},
		{"", "nogroups", 0, 0, "does not exist"},
		{"", "4294967295", 0, 0, "is no id"}, // -1: "unchanged" to chown(2)
		{"-1", "", 0, 0, "is no id"},
	} {
		uid, gid, err := d.owner(test.user, test.group)
		if uid != test.uid || gid != test.gid || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%q:%q gives %d, %d, %v, want %d, %d, %s", test.user, test.group, uid, gid, err, test.uid, test.gid, test.fails)
		}
	}
}

// A directory server that does not answer must not hang a launch for good.
func TestGetentTimeout(t *testing.T) {
	d := testDatabase(t)
	_, err := output([]string{d.getent[1], "passwd", "hangs"}, time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("got %v, want no answer", err)
	}
}

// TestGetentAlone: it ends by itself where nobody is left who kills it.
func TestGetentAlone(t *testing.T) {
	d := testDatabase(t)
	process, err := launch([]string{d.getent[1], "passwd", "hangs"}, []int{0, 1, 2}, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	var status unix.WaitStatus
	if _, err := unix.Wait4(process.Pid, &status, 0, nil); err != nil || !status.Signaled() || status.Signal() != unix.SIGALRM {
		t.Errorf("%#x, %v", status, err)
	}
}

// TestGetentThatHung: after one name that nobody answers for, others are waited for
// shortly, until one is answered or some time is over. What is given up in that short time
// does not make it last longer.
func TestGetentThatHung(t *testing.T) {
	d := testDatabase(t)
	d.hung.note(false, getentTimeout, time.Now())
	if _, err := d.lookup(Identity{User: "hangs"}); err == nil || !strings.Contains(err.Error(), "no answer in "+hungTimeout.String()) {
		t.Errorf("%v, want no answer in %s", err, hungTimeout)
	}
	d.hung.note(true, hungTimeout, time.Now())
	if limit := d.hung.limit(time.Now()); limit != getentTimeout {
		t.Errorf("after an answer it is waited for %s", limit)
	}
	begin := time.Now()
	d.hung.note(false, getentTimeout, begin)
	d.hung.note(false, hungTimeout, begin.Add(hungFor/2))
	for after, want := range map[time.Duration]time.Duration{0: hungTimeout, hungFor - 1: hungTimeout, hungFor: getentTimeout} {
		if limit := d.hung.limit(begin.Add(after)); limit != want {
			t.Errorf("%s after a hang it is waited for %s, want %s", after, limit, want)
		}
	}
}
