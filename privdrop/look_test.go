package privdrop

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatTheUserMaySee: reasons come from files that the account may read, wherever links
// lead, and nothing is told of others: neither what is in them nor whether they are there.
func TestWhatTheUserMaySee(t *testing.T) {
	account := nobody(t)
	account.Groups = []int{4711}
	dir := publicDir(t)
	script := "#!/opt/TOKEN\n"
	write(t, dir, map[string]string{
		"root/job": script, "root/empty": "", "app/plain": script, "app/closed": script, "app/group": script,
		"app/there": "#!" + dir + "/root/job\n", "app/nowhere": "#!" + dir + "/root/none\n",
		"app/link": "->" + dir + "/root/job", "app/lost": "->" + dir + "/root/none", "app/directory": "->" + dir + "/root",
		"state/snapshot/job": script, "state/snapshot/in": "->/opt/away/job", "state/snapshot/out": "->" + dir + "/root/job",
	})
	if err := errors.Join(os.Chmod(dir+"/root", 0o700), os.Chmod(dir+"/state", 0o700),
		os.Chmod(dir+"/app/closed", 0o711), os.Chmod(dir+"/app/group", 0o750), os.Chown(dir+"/app/group", 0, 4711)); err != nil {
		t.Fatal(err)
	}
	release := View{{From: dir + "/state/snapshot", To: "/opt/away"}}
	const token = "its interpreter /opt/TOKEN does not exist"
	for _, test := range []struct {
		view             View
		path             string
		account, without string // "": nothing is told
	}{
		{nil, dir + "/app/plain", token, token},
		{nil, dir + "/app/group", token, token},
		{nil, dir + "/app/closed", "", token},
		{nil, dir + "/app/link", "", token},
		{nil, dir + "/app/lost", "", "not found"},
		{nil, dir + "/app/directory/none", "", "not found"},
		{nil, dir + "/app/none", "not found", "not found"},
		{nil, dir + "/app/there", "", ""},
		{nil, dir + "/app/nowhere", "", "its interpreter " + dir + "/root/none does not exist"},
		{release, "/opt/away/job", token, token},
		{release, "/opt/away/in", token, token},
		{release, "/opt/away/out", "", token},
		{release, "/opt/away/none", "not found", "not found"},
		{release, dir + "/app/plain", token, token},
		{release, dir + "/app/link", "", token},
	} {
		for who, want := range map[*Account]string{account: test.account, nil: test.without} {
			_, err := test.view.findCommand(test.path, "", nil, who)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s in %v as %v: %v, want %q", test.path, test.view, who, err, want)
			}
		}
	}
	link := filepath.Join(dir, "app/program")
	if err := os.Symlink(dir+"/root/empty", link); err != nil {
		t.Fatal(err)
	}
	if as, own := View(nil).FormatAt(link, account.Files()), View(nil).FormatAt(link, nil); as != nil || own == nil {
		t.Errorf("its format: %v, and by root %v", as, own)
	}
	if f, err := View(nil).Open(link, account.Files()); err == nil {
		f.Close()
		t.Error("it was opened")
	}
}
