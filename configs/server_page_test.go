package configs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const serversPage = `# Servers

What supd knows of each server: what it does with ` + "`server = \"NAME\"`" + `, how it takes sockets, what a restart loses, and the settings of which ` + "`supctl check`" + ` warns, whether ` + "`server`" + ` is there or not. This page is made of [servers.toml](../servers.toml) (` + "`go test ./configs -run TestServersPage -update`" + `). Versions that supd's own tests run, with the app file that is shown, are called run, those whose source was read, read. Marked with a version is what only some have; supd looks which one the venv or Debian has.

`

// TestServersPage: docs/servers.md is what the table says.
func TestServersPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(serversPage + "| `server` | takes sockets | a restart |\n| --- | --- | --- |\n")
	for _, name := range sortedKeys(servers()) {
		s := servers()[name]
		short, _, _ := strings.Cut(s.Restart, ". ")
		fmt.Fprintf(&page, "| [%s](#%s) | %s | %s |\n", name, name, s.Sockets.words(), short)
	}
	for _, name := range sortedKeys(servers()) {
		servers()[name].page(&page)
	}
	golden(t, "docs/servers.md", page.String())
}

func (s *server) page(page *strings.Builder) {
	fmt.Fprintf(page, "\n## %s\n\n", s.Name)
	row := func(what, text string) {
		if text != "" {
			fmt.Fprintf(page, "- **%s**: %s\n", what, text)
		}
	}
	var programs []string
	for _, p := range s.Programs {
		programs = append(programs, code(strings.TrimSuffix(strings.TrimPrefix(p.String(), "^(?:"), ")$")))
	}
	found := strings.Join(programs, ", ")
	if len(s.Words) > 0 {
		found += " with " + strings.Join(marked(s.Words), " or ")
	}
	if len(s.Django) > 0 {
		found += "; manage.py's " + strings.Join(marked(sortedKeys(s.Django)), ", ")
	}
	row("found by", found)
	row("versions", s.Known)
	row("takes sockets", s.Sockets.words())
	row("a restart", s.Restart)
	row("ready", s.Ready)
	row("stop", s.Stop.words(s.Work))
	row("by default", s.presetWords())
	row("arguments", s.argumentWords())
	row("from", s.Sources)
	fmt.Fprintf(page, "\n```toml\n%s```\n", s.appFile())
	var traps []string
	for _, trap := range sortedKeys(s.Traps) {
		k := s.Traps[trap]
		versions := ""
		if v := k.Versions.words(); v != "" {
			versions = " (" + v + ")"
		}
		traps = append(traps, strings.NewReplacer("$match", "…", "$socket", "{socket.NAME}", "$count", "two or more").Replace(k.Says)+versions)
	}
	traps = append(traps, s.Also...)
	if len(traps) > 0 {
		page.WriteString("\nTraps:\n\n")
	}
	for i, trap := range traps {
		if !slices.Contains(traps[:i], trap) {
			fmt.Fprintf(page, "- %s\n", trap)
		}
	}
}

func (s *server) appFile() string { return "# /etc/supd/apps/shop.toml\nuser = \"shop\"\n\n" + s.App }

// What the page has for a server is valid, and warns of nothing.
func TestServerApps(t *testing.T) {
	for name, s := range servers() {
		dir := lay(t, map[string]string{"supd.toml": "", "apps/shop.toml": strings.Replace(s.appFile(), `"shop"`, `"nobody"`, 1)})
		c, err := load(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.Apps[0].Processes[0].Server; got != name {
			t.Errorf("%s: is taken for %q", name, got)
		}
		for _, w := range c.Traps() {
			t.Errorf("%s: %s", name, w)
		}
	}
}

func code(s string) string { return "`" + s + "`" }

func marked(texts []string) (all []string) {
	for _, text := range texts {
		all = append(all, code(text))
	}
	return all
}

func (takes taking) words() string {
	switch takes.Take {
	case takeListenFDs:
		return "by LISTEN_FDS, all of them"
	case takeOption:
		if takes.Most == 1 {
			return "one, by " + code(strings.Join(takes.Add, " "))
		}
		return "by " + code(strings.Join(takes.Add, " ")) + " for each"
	case takeVariable:
		return "by the variable " + code(takes.Name+"="+takes.Each)
	case takeCode:
		return "where its code does"
	}
	return "none"
}

func (m manners) words(work string) string {
	text := code(m.Steps.written())
	switch {
	case m.Default > 0:
		text += fmt.Sprintf("; it lets %s go on for %s, or as long as %s says, and `stop` waits %s longer", work, m.Default, code(m.Option), m.Margin)
	case m.Option != "":
		text += fmt.Sprintf("; it lets %s go on without a limit, or as long as %s says, and `stop` waits %s longer", work, code(m.Option), m.Margin)
	}
	return text + ". " + strings.ToUpper(m.Other[:1]) + m.Other[1:]
}

func (c *condition) words() string {
	var all []string
	if c.Sockets != nil {
		all = append(all, "there are sockets")
	}
	if c.Statsd {
		all = append(all, "there is `statsd = true`")
	}
	if c.Word != "" {
		all = append(all, "it is "+code(c.Word))
	}
	switch {
	case c.Lacks != nil:
		all = append(all, strings.Join(marked(c.Option), " or ")+" is not "+code(c.Lacks.String()))
	case len(c.Option) > 0 && c.Value != nil:
		all = append(all, strings.Join(marked(c.Option), " or ")+" is "+code(c.Value.String()))
	case len(c.Option) > 0:
		all = append(all, "there is "+strings.Join(marked(c.Option), " or "))
	}
	if len(c.Unset) > 0 {
		all = append(all, "none of "+strings.Join(marked(c.Unset), ", ")+" is set")
	}
	if len(c.Absent) > 0 {
		all = append(all, "there is no "+strings.Join(marked(c.Absent), " or "))
	}
	if len(all) == 0 {
		return ""
	}
	return " where " + strings.Join(all, ", and ")
}

func (s *server) presetWords() string {
	var all []string
	for _, name := range sortedKeys(s.Presets) {
		p := s.Presets[name]
		for _, key := range sortedKeys(p.Set.Table) {
			all = append(all, code(key+" = "+p.Set.Table[key].written())+p.condition.words())
		}
	}
	return strings.Join(all, "; ")
}

func (s *server) argumentWords() string {
	var all []string
	for _, name := range sortedKeys(s.Adds) {
		a := s.Adds[name]
		all = append(all, code(strings.Join(a.Add, " "))+a.condition.words())
	}
	return strings.Join(all, "; ")
}

func (v versions) words() string {
	var all []string
	for _, b := range v {
		if b.operator != "?" {
			all = append(all, b.operator+" "+strings.Trim(strings.ReplaceAll(fmt.Sprint(b.than), " ", "."), "[]"))
		}
	}
	return strings.Join(all, ", ")
}
