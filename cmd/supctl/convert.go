package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/configs/convert"
	"supd/supervisor"
	"supd/supervisor/api"
)

// converting is a call of `supctl convert`.
type converting struct {
	*call
	options convert.Options
	env     []string
	out     string
	force   bool
}

func (c *call) convert() *cobra.Command {
	v := &converting{call: c}
	cmd := &cobra.Command{
		Use:   "convert FILE…",
		Short: "Make app files of supervisord's, circus' or systemd's, or of a Procfile; needs no supd",
		Long: "Make app files of a supervisord.conf with its includes, of pieces of conf.d, a circus.ini,\n" +
			"units of systemd (.service with its .socket) or a Procfile. They are printed, or written\n" +
			"into the directory of --out, where secrets go into an env_file of mode 0600. What means\n" +
			"something else here, what is left out and what is to be done is on standard error, with\n" +
			"the old names and what they are called now. The result is checked as `supctl check` does.\n\n" +
			"Exit codes: 0 converted, also with differences; 1 something needs a hand; 6 a file cannot\n" +
			"be read, or is a template that is not filled in.",
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("convert needs a file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error { return v.run(cmd.Context(), files) },
	}
	flags := cmd.Flags()
	flags.StringVar(&v.out, "out", "", "write NAME.toml into this `directory`, such as /etc/supd/apps")
	flags.BoolVar(&v.force, "force", false, "with --out: replace files that are there")
	flags.StringVar(&v.options.App, "app", "", "name of the one app that all becomes, instead of one for each group or file")
	flags.StringVar(&v.options.User, "user", "", "user of programs for which the files name none, instead of root")
	flags.StringVar(&v.options.Directory, "directory", "", "where the programs start for which the files say nothing")
	flags.StringArrayVar(&v.env, "env", nil, "`NAME=VALUE` of the environment that the old supervisor had; may be repeated")
	return cmd
}

func (v *converting) run(ctx context.Context, files []string) error {
	if err := v.read(); err != nil {
		return err
	}
	v.options.Start = func(c *configs.Config) []error { return supervisor.CheckStart(c, false) }
	result, err := convert.ConvertUntil(ctx, files, v.options)
	if unread, is := errors.AsType[convert.Errors](err); is {
		v.worst(api.CodeInvalid)
		if v.json {
			return v.print(map[string][]unreadable{"errors": unreadables(unread)})
		}
		fmt.Fprintln(v.err, unread)
		return nil
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return failed("%s", err)
	}
	if err := v.write(result); err != nil {
		return err
	}
	if result.Report.NeedsHand() {
		v.worst(api.CodeFailed)
	}
	if v.json {
		return v.print(struct {
			Apps   []convert.App  `json:"apps"`
			Report convert.Report `json:"report"`
		}{withoutSecrets(result.Apps), result.Report})
	}
	v.report(&result.Report)
	return nil
}

// unreadable is one thing for which nothing is converted, as JSON has it.
type unreadable struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // 0: the file as a whole
	Message string `json:"message"`
}

func unreadables(all convert.Errors) (list []unreadable) {
	for _, e := range all {
		list = append(list, unreadable{e.File, e.Line, e.Msg})
	}
	return list
}

// read looks at what the command line says.
func (v *converting) read() error {
	if problem := configs.AppNameProblem(v.options.App); v.options.App != "" && problem != "" {
		return fmt.Errorf("--app: %s", problem)
	}
	if dir := v.options.Directory; dir != "" && !filepath.IsAbs(dir) {
		return fmt.Errorf("--directory %s: want an absolute path", dir)
	}
	v.options.Env = map[string]string{}
	for _, one := range v.env {
		name, value, ok := strings.Cut(one, "=")
		if !ok || name == "" {
			return fmt.Errorf("--env %s: want NAME=VALUE", name)
		}
		v.options.Env[name] = value
	}
	return nil
}

// withoutSecrets leaves out what is for files of mode 0600 alone.
func withoutSecrets(apps []convert.App) []convert.App {
	for i := range apps {
		apps[i].Secrets = nil
	}
	return apps
}

// write puts the apps where they are wanted. Secrets are printed nowhere.
func (v *converting) write(r *convert.Result) error {
	if v.out != "" {
		return v.intoDirectory(r.Apps)
	}
	for i, a := range r.Apps {
		for _, file := range a.Secrets {
			r.Report.Notes = append([]convert.Note{{Kind: convert.ByHand, Text: file.Name + " is not written: it has secrets, for which --out makes a file of mode 0600"}}, r.Report.Notes...)
		}
		if v.json {
			continue
		}
		if i > 0 {
			fmt.Fprintln(v.call.out)
		}
		fmt.Fprintf(v.call.out, "# file: %s.toml\n%s", a.Name, a.Text)
	}
	return nil
}

// intoDirectory writes all files, or none where one is there already.
func (v *converting) intoDirectory(apps []convert.App) error {
	if info, err := os.Stat(v.out); err != nil || !info.IsDir() {
		return failed("--out %s: is no directory; make it first", v.out)
	}
	for _, a := range apps {
		for _, file := range filesOf(a) {
			path := filepath.Join(v.out, file.Name)
			if _, err := os.Lstat(path); err == nil && !v.force {
				return failed("%s is there already, and nothing was written; --force replaces it", path)
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return failed("%s", err)
			}
		}
	}
	for _, a := range apps {
		for i, file := range filesOf(a) {
			mode := fs.FileMode(0o640) // a secret may look like none
			if i > 0 {
				mode = 0o600
			}
			if err := put(filepath.Join(v.out, file.Name), file.Text, mode, v.force); err != nil {
				return failed("%s", err)
			}
		}
	}
	return nil
}

// filesOf gives the app's file, and then those with secrets.
func filesOf(a convert.App) []convert.File {
	return append([]convert.File{{Name: a.Name + ".toml", Text: a.Text}}, a.Secrets...)
}

// put writes a file that is whole from the first moment, with its mode. Without force it
// takes no other's place, also not that of one which has come meanwhile.
func put(path, text string, mode fs.FileMode, force bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".convert-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // which is gone where it has been renamed
	defer f.Close()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if force {
		return os.Rename(f.Name(), path)
	}
	return os.Link(f.Name(), path)
}
