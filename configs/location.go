package configs

import (
	"os"
	"path/filepath"
	"strings"
)

// locate makes the working directory and the Python environment absolute. They
// are the release's where no file says otherwise, and "" while none is known.
func (in input) locate(p *Process) {
	directory, venv := in.Table["directory"], in.Table["venv"]
	if in.version != nil && (directory.unstated() || in.open() && directory.ofRelease()) {
		p.Directory = in.version.Path
	}
	switch {
	case venv == nil:
		p.Venv = in.shippedVenv()
	case p.Venv == "":
	case in.open() && (venv.ofRelease() || p.Directory == "" && !filepath.IsAbs(p.Venv)):
		p.Venv = ""
	case filepath.IsAbs(p.Venv):
	case in.fromRelease(venv):
		p.Venv = filepath.Join(in.version.Path, p.Venv)
	default:
		p.Venv = filepath.Join(p.Directory, p.Venv)
	}
}

// shippedVenv is the release's own, where it has one.
func (in input) shippedVenv() string {
	if in.version == nil || in.open() {
		return ""
	}
	info, err := os.Stat(in.version.view().Find(filepath.Join(in.version.Path, "venv")))
	if err != nil || !info.IsDir() {
		return ""
	}
	return filepath.Join(in.version.Path, "venv")
}

// unstated reports whether no file sets it.
func (v *value) unstated() bool { return v == nil || v.Place.File == "" }

// ofRelease reports whether a text has a variable that only a release gives.
func (v *value) ofRelease() bool {
	return strings.Contains(v.Text, "{release}") || strings.Contains(v.Text, "{version}")
}

// fromRelease reports whether the release's own file has set it.
func (in input) fromRelease(v *value) bool {
	return in.version != nil && !in.open() && v.Place.File == in.version.file()
}
