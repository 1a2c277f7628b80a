package release

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// names lists releases as APP VERSION.
func names(all []Release) string {
	var list []string
	for _, r := range all {
		list = append(list, r.App+" "+r.Version)
	}
	return strings.Join(list, ", ")
}

func never(app, path string) bool { return false }

func TestImport(t *testing.T) {
	root, s, dir := installed(t), Open(t.TempDir()), t.TempDir()
	take := func(wantImported, wantGone string) []Release {
		t.Helper()
		imported, gone, err := s.Import(t.Context(), dir, never, 42)
		if names(imported) != wantImported || names(gone) != wantGone || err != nil {
			t.Errorf("imported %s; gone %s; %v; want %s; %s", names(imported), names(gone), err, wantImported, wantGone)
		}
		return imported
	}
	take("", "")
	put(t, dir, "my_app_1.0_rc1.toml", "path = '"+root+"'\n", 0o644)
	put(t, dir, "b_2:2.0+x~1.toml", "deploy = true\npath = '"+root+"'\n", 0o644)
	put(t, dir, "c_1.0.toml.dpkg-new", "not yet", 0o644)
	put(t, dir, ".d_1.0.toml", "an editor's", 0o644)
	got := take("b 2:2.0+x~1, my_app 1.0_rc1", "")
	if len(got) == 2 && (!got[0].Deploy || got[1].Deploy || got[0].By != 42 || got[0].Origin != dir+"/b_2:2.0+x~1.toml" || got[0].Path != root) {
		t.Errorf("imported %+v", got)
	}
	take("", "")
	must(t, s.ClearDeploy(t.Context(), "b", "2:2.0+x~1"))
	take("", "") // and Deploy is not raised again
	if r, err := s.Get("b", "2:2.0+x~1"); err != nil || r.Deploy {
		t.Errorf("%+v, %v", r, err)
	}
	// After a registration by hand it still belongs to its file.
	mustRegister(t, s, Registration{App: "b", Version: "2:2.0+x~1", Path: root})
	mustRegister(t, s, Registration{App: "b", Version: "3.0", Path: root})
	must(t, os.Remove(dir+"/b_2:2.0+x~1.toml"))
	take("", "b 2:2.0+x~1")
	must(t, s.Unregister(t.Context(), "b", "2:2.0+x~1"))
	take("", "")
	must(t, os.RemoveAll(dir))
	take("", "my_app 1.0_rc1")
}

// TestForgottenStaysSo: a file that asks for a deploy does not bring back what
// somebody has unregistered.
func TestForgottenStaysSo(t *testing.T) {
	root, s, dir := installed(t), Open(t.TempDir()), t.TempDir()
	always := func(app, path string) bool { return true }
	put(t, dir, "app_1.0.toml", "path = '"+root+"'\ndeploy = true\n", 0o644)
	take := func(want int) {
		t.Helper()
		if imported, gone, err := s.Import(t.Context(), dir, always, 0); len(imported) != want || len(gone) > 0 || err != nil {
			t.Errorf("imported %s; gone %s; %v", names(imported), names(gone), err)
		}
	}
	take(1)
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	if _, err := s.Get("app", "1.0"); !errors.Is(err, ErrUnknown) || versions(t, s, "app")+snapshots(t, s, "app") != "" {
		t.Errorf("it is still there: %v", err)
	}
	take(0)
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	take(0)
	// A registration by hand brings it back, without the deploy that the file asks
	// for.
	if r, changed := mustRegister(t, s, inPlace(root, "1.0")); !changed || r.Deploy || r.Origin != dir+"/app_1.0.toml" {
		t.Errorf("registered as %+v, %v", r, changed)
	}
	take(0)
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	replace(t, dir, "app_1.0.toml", "path = '"+root+"'\n")
	take(1) // installed again
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	must(t, os.Remove(dir+"/app_1.0.toml"))
	take(0)
	if records, err := listNames(s.releases("app")); len(records) > 0 || err != nil {
		t.Errorf("left is %q, %v", records, err)
	}
}

func TestImportInPlace(t *testing.T) {
	root, s, dir := installed(t), Open(t.TempDir()), t.TempDir()
	asked := ""
	here := func(app, path string) bool {
		asked = app + " " + path
		return true
	}
	put(t, dir, "app_1.0.toml", "path = '"+root+"/.'\ndeploy = true\n", 0o644)
	imported, _, err := s.Import(t.Context(), dir, here, 0)
	if err != nil || len(imported) != 1 || imported[0].Snapshot == "" || asked != "app "+root {
		t.Fatalf("imported %+v, %v; asked %s", imported, err, asked)
	}
	must(t, s.ClearDeploy(t.Context(), "app", "1.0"))
	// A change of the installed files alone is not imported,
	replace(t, root, "bin/gunicorn", "#!/bin/sh")
	if again, _, err := s.Import(t.Context(), dir, here, 0); len(again) > 0 || err != nil {
		t.Errorf("imported again: %+v, %v", again, err)
	}
	// but one is after the package was installed again.
	replace(t, dir, "app_1.0.toml", "path = '"+root+"'\ndeploy = true\n")
	again, _, err := s.Import(t.Context(), dir, here, 0)
	if err != nil || len(again) != 1 || again[0].Snapshot == imported[0].Snapshot || !again[0].Deploy {
		t.Errorf("installed again: %+v, %v", again, err)
	}
}

// TestImportErrors: a file that is wrong does not hide the others.
func TestImportErrors(t *testing.T) {
	root, s, dir := installed(t), Open(t.TempDir()), t.TempDir()
	for name, content := range map[string]string{
		"good_1.0.toml":     "path = '" + root + "'",
		"noversion.toml":    "path = '" + root + "'",
		"Upper_1.0.toml":    "path = '" + root + "'",
		"a_1.0.toml":        "deploy = true",
		"b_1.0.toml":        "\npath = 7",
		"c_1.0.toml":        "path = '/'\n\nuser = 'root'\nx.y = 1",
		"d_1.0.toml":        "path = '/gone'",
		"e_1.0.toml":        "path = 'opt'",
		"f_1.0.toml":        "path = '/",
		"g_1.0.toml":        "#" + strings.Repeat(" ", smallSize),
		"h_1.0.toml":        "path = '/'\n[process.web]\ncommand = 'x'",
		"zz_1.0.toml":       "path = '" + root + "'",
		"i_1.0.toml/inside": "",
		"j_1.0.toml":        "path = '/'\n" + strings.Repeat("a.", 1000) + "b = 1",
		"k_1.0.toml":        strings.Repeat("[", smallSize-1),
		"l_1.0.toml":        "path = '/'\na=1\nb=1\nc=1\nd=1\ne=1\nf=1\ng=1\nh=1\ni=1\nj=1\nk=1\nl=1",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		put(t, dir, name, content, 0o644)
	}
	imported, _, err := s.Import(t.Context(), dir, never, 0)
	if names(imported) != "good 1.0, zz 1.0" {
		t.Errorf("imported %s", names(imported))
	}
	for _, want := range []string{
		"/noversion.toml: want APP_VERSION.toml", "/Upper_1.0.toml: want APP_VERSION.toml", "/a_1.0.toml: has no path; name",
		"/b_1.0.toml:2: ", "/c_1.0.toml:3: user: unknown key; there are path and deploy", "/c_1.0.toml:4: x.y: unknown key",
		"/d_1.0.toml: d 1.0: /gone does not exist", `/e_1.0.toml: e 1.0: path "opt" is not absolute`, "/f_1.0.toml:1: ",
		"/g_1.0.toml: longer than", "/h_1.0.toml:2: process.web: unknown key", "/i_1.0.toml: not a regular file",
		"/j_1.0.toml:2: a key of more than 16 parts", "/k_1.0.toml:1: more than 16 brackets in each other", "/l_1.0.toml: 2 more unknown keys",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s in:\n%v", want, err)
		}
	}
}

func TestSplitName(t *testing.T) {
	for base, want := range map[string]string{
		"whois_1.0": "whois 1.0", "my_app_1.0": "my_app 1.0", "whois_1.0_rc1": "whois 1.0_rc1", "a_b_1": "a_b 1",
		"_1.0": "", "whois_": "", "whois": "", "": "", "whois_-1": "", "a_.1": "",
	} {
		app, version, ok := splitName(base)
		if got := strings.TrimSpace(app + " " + version); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", base, got, ok, want)
		}
	}
}
