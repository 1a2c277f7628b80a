package supervisor

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"supd/configs"
	"supd/privdrop"
	"supd/privdrop/files"
	"supd/supervisor/engine"
	"supd/supervisor/output"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// prepared is a configuration with everything looked up and opened that the owner
// must not wait for.
type prepared struct {
	engine.Prepared
	options map[*output.Log]output.Options
}

// preparer looks up every user and opens every log file and journal. It may block.
type preparer struct {
	*Supervisor
	config  *configs.Config
	have    map[string]engine.Facts // what the owner knows already; of an app that is not here nothing
	options map[*output.Log]output.Options

	accounts *accounts
	patience time.Duration // with the files of an app; see soon

	openLog   func(path string, o output.Options) (*output.Log, error)
	openState func(app string) (release.State, engine.Journal, error)
}

func (s *Supervisor) preparer(c *configs.Config, have map[string]engine.Facts) *preparer {
	p := s.preparerOf(c, have)
	p.openLog, p.openState = s.files.Open, s.openState
	return p
}

// preparerOf lacks what opens.
func (s *Supervisor) preparerOf(c *configs.Config, have map[string]engine.Facts) *preparer {
	return &preparer{Supervisor: s, config: c, have: have, options: map[*output.Log]output.Options{}, accounts: newAccounts(), patience: files.Patient}
}

// looker opens nothing, and only says what would be wrong.
func (s *Supervisor) looker(c *configs.Config, have map[string]engine.Facts) *preparer {
	p := s.preparerOf(c, have)
	p.openLog = func(path string, o output.Options) (*output.Log, error) { return nil, output.Check(path, o) }
	p.openState = func(app string) (release.State, engine.Journal, error) { // what is wrong with it keeps nobody from starting
		state, _ := release.ReadState(s.store.StatePath(app))
		return state, nil, nil
	}
	return p
}

// all prepares every app, or those that are named. What is wrong with one is in it.
func (p *preparer) all(only []string) prepared {
	all := prepared{engine.Prepared{Config: p.config}, p.options}
	if len(only) > 0 {
		all.Only = only
	}
	for i := range p.config.Apps {
		if a := &p.config.Apps[i]; all.Concerns(a.Name) {
			all.Apps = append(all.Apps, p.whole(a))
		}
	}
	for _, one := range p.config.Invalid {
		if all.Concerns(one.Name) {
			all.Apps = append(all.Apps, invalid(one))
		}
	}
	return all
}

// invalid stands for an app of which nothing is known but that it is to be there.
func invalid(one configs.Invalid) engine.App {
	lines := make([]string, len(one.Errors))
	for i, e := range one.Errors {
		lines[i] = e.Error()
	}
	stub := &configs.App{Name: one.Name, File: one.File, Rollout: configs.Rollout{Surge: configs.Surge{Workers: 1}}}
	return engine.App{Config: stub, Trouble: errors.New(strings.Join(lines, "; ")), Invalid: true}
}

// whole prepares an app and its sockets: all that a start does for it before it binds
// and launches.
func (p *preparer) whole(a *configs.App) engine.App {
	one := engine.App{Config: a}
	state, opened, err := p.stateOf(a)
	if err == nil {
		one = p.soon(a, state)
		one.State, one.Journal = state, opened
	} else {
		one.Trouble = fmt.Errorf("release state: %w", err)
	}
	one.Sockets, one.Closed = socketsOf(p.config, a, p.appFiles(a))
	p.reachable(&one)
	return one
}

// stateOf is that of the releases of an app that has any. The journal is nil where the
// owner has it.
func (p *preparer) stateOf(a *configs.App) (state release.State, opened engine.Journal, err error) {
	switch have := p.have[a.Name]; {
	case a.Release == nil:
		return state, nil, nil
	case have.Journaled:
		return have.State, nil, nil
	}
	return p.openState(a.Name)
}

// appFiles are the rights to files of an app's own user, or nil while it is not known.
func (p *preparer) appFiles(a *configs.App) *files.Account {
	account, err := p.account(&configs.Process{User: a.User, Group: a.Group})
	if err != nil {
		return nil
	}
	return account.Files()
}

// leave closes the journals that were opened for a configuration that is not
// applied: the next one opens them again.
func (p prepared) leave() {
	for _, one := range p.Apps {
		if one.Journal != nil {
			one.Journal.Close()
		}
	}
}

// socketsOf looks up whom the sockets of an app belong to, to be opened on behalf of as.
// Those of which that is not known cannot be opened.
func socketsOf(c *configs.Config, a *configs.App, as *files.Account) (all map[string]configs.Socket, closed map[string]error) {
	all, closed = map[string]configs.Socket{}, map[string]error{}
	for _, s := range a.Sockets {
		key := engine.SocketKey(a.Name, s.Name)
		spec, err := s.Resolve()
		if err != nil {
			closed[key] = c.Fault(a, "", s.OwnerKey(), err)
			continue
		}
		s.Spec = spec
		s.As = as
		all[key] = s
	}
	return all, closed
}

// active prepares an app with its active release, if it has releases.
func (p *preparer) active(a *configs.App, state release.State) engine.App {
	if a.Release == nil {
		return p.app(a, nil)
	}
	v, err := p.activeVersion(a.Name, state)
	switch {
	case v == nil:
		return engine.App{Config: a}
	case err == nil:
		var one engine.App
		if one, err = p.release(a.Name, *v); err == nil {
			return one
		}
	}
	return engine.App{Config: a, Release: v, Trouble: err}
}

// activeVersion is the release that the workers run, nil if there is none. It is the
// one that they were started from, also where the same version has been registered
// anew since. The error is why it cannot be found.
func (s *Supervisor) activeVersion(app string, state release.State) (*configs.Version, error) {
	v := startedFrom(state)
	if v == nil || isDirectory(v.Files) {
		return v, nil
	}
	r, err := s.store.Get(app, state.Active)
	if errors.Is(err, release.ErrUnknown) {
		return v, fmt.Errorf("its files are gone from %s; install the package again, or deploy another release", v.Files)
	}
	if err != nil {
		return v, err
	}
	*v = versionOf(r)
	return v, nil
}

// startedFrom is what the workers were started from, as the state has it.
func startedFrom(state release.State) *configs.Version {
	if state.Active == "" {
		return nil
	}
	v := configs.Version{Name: state.Active}
	if state.Place != nil {
		v.Path, v.Files = state.Place.Path, state.Place.Files
	}
	return &v
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// versionOf is what a configuration needs to know of a registered release.
func versionOf(r release.Release) configs.Version {
	return configs.Version{Name: r.Version, Path: r.Path, Files: r.Files()}
}

// release prepares an app with a release. The error is why none of it can be started
// here.
func (p *preparer) release(app string, v configs.Version) (engine.App, error) {
	a, err := p.config.With(app, v)
	if err != nil {
		return engine.App{}, err
	}
	if a.Release.InPlace() {
		if err := privdrop.CanMount(); err != nil {
			return engine.App{}, &unfitError{fmt.Errorf("%s: release.path: each worker needs a mount namespace, and this supd cannot make one: %w; run supd as root where that is permitted, or install versions side by side (release.directory)", a.File, err)}
		}
	}
	return p.app(a, &v), nil
}

// unfitError says that it is this supd that cannot run a release, any release.
type unfitError struct{ error }

// prepareRelease prepares an app with a registered release, all of it.
func (s *Supervisor) prepareRelease(c *configs.Config, app string, r release.Release) (engine.App, error) {
	if !r.Present() {
		return engine.App{}, fmt.Errorf("the files of %s are gone from %s; install the package again", r.Version, r.Files())
	}
	one, err := s.preparer(c, nil).release(app, versionOf(r)) // a release cannot set options of a log
	if err != nil {
		return engine.App{}, err
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(one.Faults)) {
		faults = append(faults, one.Faults[name])
	}
	return one, errors.Join(faults...)
}

// app prepares the processes of an app, each as far as that goes.
func (p *preparer) app(a *configs.App, v *configs.Version) engine.App {
	one := engine.App{Config: a, Release: v, Revisions: map[string]engine.Revision{}, Faults: map[string]error{}}
	for i := range a.Processes {
		c := &a.Processes[i]
		r, err := p.revision(a, c, v)
		if err != nil {
			one.Faults[c.Name] = err
			continue
		}
		one.Revisions[c.Name] = r
	}
	return one
}

func (p *preparer) revision(a *configs.App, c *configs.Process, v *configs.Version) (engine.Revision, error) {
	if v != nil {
		if wrong := p.config.VerifyProcess(a, c, *v); len(wrong) > 0 {
			return engine.Revision{}, new(configs.Errors(wrong))
		}
	}
	account, err := p.account(c)
	if err != nil {
		return engine.Revision{}, p.config.Fault(a, c.Name, configs.IdentityKey(c), err)
	}
	options := logOptions(c.Log, account)
	log, err := p.openLog(c.Log.File, options)
	if err != nil {
		return engine.Revision{}, p.config.Fault(a, c.Name, "log", err)
	}
	if _, shared := p.options[log]; !shared { // else the first process says what it is like
		p.options[log] = options
	}
	return engine.Revision{App: a, Config: c, Release: v, Key: record.Key(c, account, v), UID: account.UID,
		Program: &program{host: p.host, account: account, log: log, stuck: new(atomic.Int32)}}, nil
}

// account is account, once for all processes that name the same.
func (p *preparer) account(c *configs.Process) (*privdrop.Account, error) { return p.accounts.get(c) }

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// account is whom the process runs as; without a user, supd itself.
func account(c *configs.Process) (*privdrop.Account, error) {
	id := privdrop.Identity{User: c.User, Group: c.Group, Groups: c.Groups}
	if id.User == "" {
		id.User = strconv.Itoa(os.Geteuid())
		if id.Group == "" {
			id.Group = strconv.Itoa(os.Getegid())
		}
	}
	a, err := configs.Lookup(id)
	if err == nil && os.Geteuid() != 0 && a.UID != os.Geteuid() {
		return nil, &rightsError{fmt.Errorf("user %q: this supd does not run as root and can change to nobody; remove user, or run it as root", id.User)}
	}
	return a, err
}

// rightsError says what this process may not do.
type rightsError struct{ error }

func isOfRights(err error) bool {
	_, is := errors.AsType[*rightsError](err)
	return is
}

// logOptions let the group of the process's account read its log.
func logOptions(c configs.Log, a *privdrop.Account) output.Options {
	o := output.Options{MaxSize: c.MaxSize, MaxAge: c.MaxAge, Keep: c.Keep, MaxTotal: c.MaxTotal, Compress: c.Compress, Prefix: output.Prefix(c.Prefix), Address: c.Address, Facility: c.Facility.Number(),
		UID: -1, GID: a.GID, Mode: 0o640, As: a.Files()}
	if os.Geteuid() != 0 {
		o.GID = -1
	}
	return o
}
