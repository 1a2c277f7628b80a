package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// registerDropIns registers the releases of the drop-in files in a directory, and
// unregisters those whose file is gone.
func (c *call) registerDropIns(ctx context.Context, r registration, args []string) error {
	h, store, err := c.registry(ctx)
	if err != nil {
		return err
	}
	dir := h.dropIns
	if len(args) > 0 {
		dir = args[0]
	}
	imported, gone, err := store.Import(ctx, dir, func(app, path string) bool { return c.dropInPlace(h, dir, app, path) }, os.Getuid())
	for _, one := range imported {
		if err := c.showRegistered(one, true); err != nil {
			return err
		}
	}
	if len(imported) > 0 {
		err = errors.Join(err, c.tell(ctx, h))
	}
	c.forget(ctx, r, gone)
	return ofRegistry(err)
}

// dropInPlace is installed.inPlace for a release of a drop-in file. Its version is
// the end of the path if a file has that name.
func (c *call) dropInPlace(h host, dir, app, path string) bool {
	version := filepath.Base(path)
	if _, err := os.Lstat(filepath.Join(dir, app+"_"+version+".toml")); err != nil {
		version = ""
	}
	return c.installed(h, app).inPlace(version, path)
}

// tell asks supd to deploy the new releases that ask for it. It is no error if no
// supd answers.
func (c *call) tell(ctx context.Context, h host) error {
	client := control.Dial(h.socket)
	defer client.Close()
	result, err := nudge(ctx, client)
	switch {
	case err == nil && result.Code != api.CodeDone:
		return refused(result)
	case control.NoAnswer(err), errors.Is(err, errSlow):
		return nil
	}
	return err
}

// forget unregisters the releases whose packages have been removed. A release whose
// path is still there was replaced by another version, and a rollback needs its
// snapshot. The active one may go only after the others, so a second round follows.
func (c *call) forget(ctx context.Context, r registration, gone []release.Release) {
	var kept []release.Release
	for again := range 2 {
		for _, one := range gone {
			if _, err := os.Lstat(one.Path); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
			err := c.unregisterOne(ctx, removal{app: one.App, version: one.Version, timeout: scriptTime, script: r.script})
			switch _, isKept := errors.AsType[*keptError](err); {
			case isKept && again == 0:
				kept = append(kept, one)
			case err != nil:
				c.warn("%s", err)
			}
		}
		gone = kept
	}
}
