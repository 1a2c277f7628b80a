package configs

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/privdrop/files"
)

// releaseFile gives the processes of a release's own file, none where it has no
// such file, and whether that could be found out.
func (l *loader) releaseFile(app string, v Version, account *privdrop.Account) (map[string]*value, bool) {
	file := v.file()
	data, err := readInside(file, account)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err := os.Stat(v.Files)
		if err != nil {
			l.scope.report.add(Place{File: v.Files}, "the files of %s are not there: %s", v.Name, reason(err))
		}
		return nil, err == nil
	case err != nil:
		l.scope.report.add(Place{File: file}, "%s", err)
		return nil, false
	}
	top, ok := parse(file, data, l.scope.report)
	if top == nil {
		return nil, false
	}
	return l.releaseTable(app, top), ok
}

// readInside reads a regular file that is no symbolic link: what is read with root's
// rights is told in messages, and must be the release's own. Where the account could
// lead root elsewhere it is read with its rights.
func readInside(path string, account *privdrop.Account) (data []byte, err error) {
	var way files.Way
	if account != nil {
		way.As = account.Files()
	}
	err = way.In(filepath.Dir(path), func(p files.Place) error {
		fd, _, err := p.Open(filepath.Base(path), unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), path)
		defer f.Close()
		data, err = readOpened(f, nil)
		return err
	})
	if errors.Is(err, unix.ELOOP) {
		return nil, errors.New("is a symbolic link, which is not followed out of a release; ship the file itself")
	}
	if of, ok := err.(*fs.PathError); ok { // with the rights of another, that is to be told
		err = of.Err
	}
	return data, err
}

// releaseProcessKeys are all that a release may set for a process. supd acts on
// the others with more rights than the release's author need have.
var releaseProcessKeys = []string{
	"command", "count", "server", "venv", "env", "after", "autostart", "restart", "success_exit",
	"backoff", "give_up_after", "ready", "health", "watchdog", "stop", "reload_signal",
}

// allNames gives the keys of the table itself, the later ones too.
func allNames[T any](keys []key[T]) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return all
}

// releaseTable gives the [process.NAME] of a release's file with what it may set,
// and reports everything else.
func (l *loader) releaseTable(app string, top *value) map[string]*value {
	of := restriction{&l.scope, displayed(l.scope.home, app)}
	input{top, &l.scope}.sections(true)
	of.keep(top, []string{"process"}, allNames(appKeys), nil)
	processes := top.child("process")
	if processes == nil || !(input{processes, &l.scope}).is(aTable) {
		return nil
	}
	own := map[string]*value{}
	for _, name := range sortedKeys(processes.Table) {
		if p := processes.Table[name]; (input{p, &l.scope}).is(aTable) {
			own[name] = of.keep(p, releaseProcessKeys, allNames(processKeys), foreignProcess)
		}
	}
	return own
}

// restriction reports what a release must not say.
type restriction struct {
	*scope
	elsewhere string // the file to say it in
}

// keep gives a table with the allowed keys alone. Of the others it tells those that
// an app's file may have from those that nobody knows.
func (r restriction) keep(table *value, allowed, known []string, others map[string]counterpart) *value {
	kept := *table
	kept.Table = maps.Clone(table.Table)
	for _, name := range sortedKeys(table.Table) {
		child := input{table.Table[name], r.scope}
		switch {
		case slices.Contains(allowed, name):
			continue
		case slices.Contains(known, name):
			child.fail("a release cannot set %s; set it in %s", name, r.elsewhere)
		default:
			child.fail("%s", unknown(name, others, allowed))
		}
		delete(kept.Table, name)
	}
	return &kept
}
