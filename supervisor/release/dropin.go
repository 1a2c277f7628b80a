package release

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"

	"supd/configs"
	"supd/privdrop/files"
)

const (
	dropInSuffix = ".toml"
	mostErrors   = 10 // of one file: who reads on?
)

// dropIn is a file by which a package registers its release without a script.
type dropIn struct {
	file         string
	app, version string
	stamp        string // identifies this file: another one after it was installed again

	Path   string `toml:"path"`
	Deploy bool   `toml:"deploy"`
}

// readDropIn reads a drop-in file.
func readDropIn(file string) (dropIn, error) {
	d := dropIn{file: file}
	base := strings.TrimSuffix(filepath.Base(file), dropInSuffix)
	var ok bool
	if d.app, d.version, ok = splitName(base); !ok {
		return d, fmt.Errorf("%s: want APP_VERSION.toml, with a-z, 0-9, _ and - in APP and A-Z, a-z, 0-9 and . + ~ _ : - in VERSION", file)
	}
	opened, err := files.Own().Open(file, os.O_RDONLY)
	if err != nil {
		return d, err
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return d, err
	}
	if !info.Mode().IsRegular() {
		return d, fmt.Errorf("%s: not a regular file", file)
	}
	st := info.Sys().(*syscall.Stat_t)
	d.stamp = fmt.Sprintf("%d %d.%09d", st.Ino, st.Ctim.Sec, st.Ctim.Nsec)
	data, err := files.ReadUpTo(opened, smallSize)
	if err != nil {
		return d, err
	}
	if line, problem := configs.Excess(data); problem != "" {
		return d, fmt.Errorf("%s:%d: %s", file, line, problem)
	}
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&d); err != nil {
		return d, located(file, err)
	}
	if d.Path == "" {
		return d, fmt.Errorf("%s: has no path; name the directory that the release is in", file)
	}
	return d, nil
}

// splitName finds an app and a version in "my_app_1.0". Both may have underscores:
// it splits at the last one that leaves an app's name before it.
func splitName(base string) (app, version string, ok bool) {
	for i := len(base); ; {
		i = strings.LastIndexByte(base[:i], '_')
		if i < 0 {
			return "", "", false
		}
		if checkNames(base[:i], base[i+1:]) == nil {
			return base[:i], base[i+1:], true
		}
	}
}

// located adds file and line to each error in a drop-in file.
func located(file string, err error) error {
	unknown, ok := errors.AsType[*toml.StrictMissingError](err)
	if !ok {
		wrong, ok := errors.AsType[*toml.DecodeError](err)
		if !ok {
			return fmt.Errorf("%s: %w", file, err)
		}
		line, _ := wrong.Position()
		return fmt.Errorf("%s:%d: %s", file, line, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	var errs []error
	for i, e := range unknown.Errors {
		if i == mostErrors {
			errs = append(errs, fmt.Errorf("%s: %d more unknown keys", file, len(unknown.Errors)-i))
			break
		}
		line, _ := e.Position()
		errs = append(errs, fmt.Errorf("%s:%d: %s: unknown key; there are path and deploy", file, line, strings.Join(e.Key(), ".")))
	}
	return errors.Join(errs...)
}
