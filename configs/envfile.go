package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"supd/privdrop"
	"supd/privdrop/files"
)

const maxFile = 1 << 20 // bytes; of variables execve(2) takes little more

// ReadEnvFile reads lines of NAME=value. Empty lines and those that begin with #
// are skipped, and so is "export" before a name. A value in '…' is taken as it
// is; in "…", \n, \t, \", \\ and \$ are replaced; without quotes it goes to the
// end of the line, less the space around it, and has no quotes, backslashes or
// " #" in it. Nothing is expanded. Errors name file and line, never a value, and
// are all reported at once as a *Errors.
//
// It reads with root's rights what only root can have put there, and else with those of
// the account that is to get it; nil is this process's own.
func ReadEnvFile(path string, account *privdrop.Account) (map[string]string, error) {
	data, err := readFor(path, account)
	if err != nil {
		return nil, &Errors{{File: path, Msg: err.Error()}}
	}
	env := map[string]string{}
	var errs Errors
	text, marked := bytes.CutPrefix(data, byteOrderMark)
	if marked {
		errs = append(errs, Error{File: path, Line: 1, Msg: startsWithMark})
	}
	for i, line := range strings.Split(string(text), "\n") {
		name, value, err := envLine(line)
		if _, twice := env[name]; err == nil && twice {
			err = errors.New("defined twice")
		}
		switch {
		case err != nil && len(errs) == mostErrors:
			errs = append(errs, Error{File: path, Line: i + 1, Msg: "more is wrong from here on"})
			return nil, &errs
		case err != nil:
			errs = append(errs, Error{path, i + 1, name, err.Error()})
		case name != "":
			env[name] = value
		}
	}
	if len(errs) > 0 {
		return nil, &errs
	}
	return env, nil
}

func readFor(path string, account *privdrop.Account) ([]byte, error) {
	var way files.Way
	if account != nil {
		way.As = account.Files()
	}
	file, err := way.OpenOwn(path)
	if err != nil {
		return nil, at(path, err)
	}
	defer file.Close()
	return readOpened(file, nil)
}

// at takes the path off an error where it is that of the message.
func at(path string, err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok && of == err && of.Path == path {
		return of.Err
	}
	return err
}

// readRegular reads a file, and never waits: a file on which somebody holds a lease is
// refused (fcntl(2), F_SETLEASE: EWOULDBLOCK), which would else keep the caller waiting
// for up to fs.lease-break-time. What one of the checks does not like is refused, too.
func readRegular(path string, checks ...func(fs.FileInfo) error) ([]byte, error) {
	fd, err := files.OpenRegular(path)
	if err != nil {
		return nil, reason(err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return readOpened(f, checks)
}

// readThrough does the same with what a worker finds at path, as far as it may read it.
func readThrough(view privdrop.View, path string, as *files.Account) ([]byte, error) {
	f, err := view.Open(path, as)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	return readOpened(f, nil)
}

// readOpened reads a regular file, up to a length, unless one of the checks does not
// like it.
func readOpened(f *os.File, checks []func(fs.FileInfo) error) ([]byte, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, reason(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	for _, check := range checks {
		if err := check(info); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(data) > maxFile {
		return nil, fmt.Errorf("is longer than %d bytes", maxFile)
	}
	return data, err
}

// reason takes the path off an error that is going to be shown with its path.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

// envLine gives no name for a line that sets nothing.
func envLine(line string) (name, value string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", "", nil
	}
	if rest, ok := strings.CutPrefix(line, "export "); ok {
		line = strings.TrimLeft(rest, " \t")
	}
	name, value, ok := strings.Cut(line, "=")
	if !ok {
		return "", "", errors.New("want NAME=value") // the line may be the rest of a value
	}
	if name = strings.TrimRight(name, " \t"); !isVariableName(name) {
		return "", "", errors.New("want NAME=value, with a name of letters, digits and _")
	}
	if problem := checkVariableName(name); problem != "" {
		return name, "", errors.New(problem)
	}
	value, err = envValue(strings.TrimSpace(value))
	return name, value, err
}

func envValue(s string) (string, error) {
	switch {
	case strings.IndexByte(s, 0) >= 0:
		return "", errors.New("holds a zero byte")
	case s == "":
		return "", nil
	case s[0] == '\'':
		value, rest, closed := strings.Cut(s[1:], "'")
		if !closed {
			return "", errors.New("the ' is not closed on this line")
		}
		return value, nothingButComment(rest)
	case s[0] == '"':
		return doubleQuoted(s[1:])
	case strings.ContainsAny(s, `'"\`):
		return "", errors.New("has a quote or backslash in it: put all of the value in quotes")
	case strings.Contains(s, " #") || strings.Contains(s, "\t#"):
		return "", errors.New(`has " #" in it: put the value in quotes, or the comment on a line of its own`)
	}
	return s, nil
}

func doubleQuoted(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), nothingButComment(s[i+1:])
		case s[i] != '\\':
			b.WriteByte(s[i])
		case i+1 < len(s) && strings.IndexByte(`nt"\$`, s[i+1]) >= 0:
			i++
			b.WriteString(strings.NewReplacer("n", "\n", "t", "\t").Replace(s[i : i+1]))
		default:
			return "", errors.New(`has a \ before something else than n, t, ", \ or $; write \\ for a backslash`)
		}
	}
	return "", errors.New(`the " is not closed on this line`)
}

func nothingButComment(rest string) error {
	if rest = strings.TrimSpace(rest); rest != "" && rest[0] != '#' {
		return errors.New("has something behind the closing quote")
	}
	return nil
}
