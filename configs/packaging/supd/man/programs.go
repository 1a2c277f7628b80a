package main

import (
	"regexp"
	"strings"
)

// ofPrograms gives the pages of the three programs.
func ofPrograms(dir string) ([]page, error) {
	daemon, err := output(dir, "supd", "--help")
	if err != nil {
		return nil, err
	}
	launcher, err := output(dir, "suprun", "--help")
	if err != nil {
		return nil, err
	}
	client, err := ofClient(dir)
	if err != nil {
		return nil, err
	}
	return []page{
		{"supctl", 1, "show and change what supd runs", client, "supd(8), suprun(1), supd.toml(5)"},
		{"suprun", 1, "run one command with no more privileges than it needs", ofHelp(launcher), "supd(8), setpriv(1), capabilities(7)"},
		{"supd", 8, "process supervisor that drops privileges and swaps releases", daemonIntro + ofHelp(doubled(daemon)) + daemonEnd,
			"supctl(1), suprun(1), supd.toml(5), systemd.service(5)"},
	}, nil
}

// doubled writes flags as everybody does, which package flag takes as well.
func doubled(help string) string { return strings.ReplaceAll(help, "\n  -", "\n  --") }

const daemonIntro = `.SH SYNOPSIS
.B supd
[\fIOPTION\fR]...
.SH DESCRIPTION
supd stays in the foreground, binds the sockets of the applications in /etc/supd/apps,
starts their workers under users of their own with every privilege dropped, and keeps
them running. When it is killed the workers live on, and the next supd takes them over.
.BR supctl (1)
talks to it.
`

const daemonEnd = `.SH SIGNALS
.TP
TERM, INT
Stop all workers in the reverse of their order, then end.
.TP
HUP
Apply the changed configuration; of an invalid one nothing.
.B supctl apply
does it too, waits, and says what became of it.
.TP
USR1
Open the log files anew.
.SH FILES
.TP
/etc/supd/supd.toml
The daemon's configuration, see
.BR supd.toml (5).
.TP
/etc/supd/apps/*.toml
One file for each app.
.TP
/usr/share/supd/releases.d
Where packages name the releases that they bring.
.TP
/run/supd, /var/lib/supd, /var/log/supd
What runs, which releases there are, and captured output.
`

// ofClient is supctl's help, and that of each of its commands.
func ofClient(dir string) (string, error) {
	text, err := output(dir, "supctl", "--help")
	if err != nil {
		return "", err
	}
	about, list, _ := strings.Cut(text, "Available Commands:\n")
	list, options, _ := strings.Cut(list, "\n\n")
	about, _, _ = strings.Cut(about, "Usage:\n")
	options, _, _ = strings.Cut(options, "Use \"supctl ")
	body := ".SH SYNOPSIS\n.B supctl\n\\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n" +
		heading("Description") + ofText(about) + ofHelp(options) + heading("Commands")
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" || name == "help" {
			continue
		}
		one, err := ofCommand(dir, name)
		if err != nil {
			return "", err
		}
		body += one
	}
	return body, nil
}

// ofCommand has no options that all commands have.
func ofCommand(dir, name string) (string, error) {
	text, err := output(dir, "supctl", name, "--help")
	if err != nil {
		return "", err
	}
	about, usage, _ := strings.Cut(text, "Usage:\n")
	usage, _, _ = strings.Cut(usage, "Global Flags:\n")
	usage, flags, _ := strings.Cut(usage, "Flags:\n")
	synopsis := strings.TrimSuffix(strings.TrimSpace(usage), " [flags]")
	flags = helpFlag.ReplaceAllString(flags, "")
	return subheading(strings.TrimPrefix(synopsis, "supctl ")) + ofText(about) + ofText(flags), nil
}

var helpFlag = regexp.MustCompile(`(?m)^ +-h, --help .*\n`)

// ofHelp gives a section for each line that is a heading.
func ofHelp(text string) string {
	var b strings.Builder
	var block []string
	flush := func() {
		b.WriteString(ofText(strings.Join(block, "\n")))
		block = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		low := strings.ToLower(line)
		switch {
		case strings.HasPrefix(low, "usage: "):
			b.WriteString(heading("Synopsis") + paragraph(escape(line[len("usage: "):])) + heading("Description"))
		case strings.HasPrefix(low, "usage of ") || low == "flags:":
			flush()
			b.WriteString(heading("Options"))
		default:
			block = append(block, line)
		}
	}
	flush()
	return b.String()
}

var (
	option   = regexp.MustCompile(`^ {1,8}(-\S(?:\S| \S)*)(?: {2,}(\S.*))?$`)
	deep     = regexp.MustCompile(`^(?:\t| {9,}| +\t)\s*(\S.*)$`)
	indented = regexp.MustCompile(`^ {1,8}\S`)
)

// ofText makes roff of help: options with what they mean, examples, which are
// indented, and paragraphs.
func ofText(text string) string {
	var b strings.Builder
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		begin := i
		switch found := option.FindStringSubmatch(lines[i]); {
		case found != nil:
			meaning := found[2]
			for i++; i < len(lines) && deep.MatchString(lines[i]); i++ {
				meaning = strings.TrimSpace(meaning + " " + deep.FindStringSubmatch(lines[i])[1])
			}
			b.WriteString(term(bold(escape(found[1])), escape(meaning)))
		case indented.MatchString(lines[i]):
			for i < len(lines) && indented.MatchString(lines[i]) {
				i++
			}
			b.WriteString(verbatim(lines[begin:i]))
		case strings.TrimSpace(lines[i]) == "":
			i++
		default:
			for i < len(lines) && lines[i] != "" && !indented.MatchString(lines[i]) {
				i++
			}
			b.WriteString(paragraph(escape(strings.Join(lines[begin:i], "\n"))))
		}
	}
	return b.String()
}
