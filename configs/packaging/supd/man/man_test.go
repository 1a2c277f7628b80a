package main

import (
	"strings"
	"testing"
)

func TestOfText(t *testing.T) {
	for _, test := range []struct{ name, help, want string }{
		{"paragraphs", "One\ntwo.\n\nThree.\n", ".PP\nOne\ntwo.\n.PP\nThree.\n"},
		{"option", "      --no-wait   end once it has begun\n", ".TP\n\\fB\\-\\-no\\-wait\\fR\nend once it has begun\n"},
		{"option that goes on", "  --listen ADDRESS[,KEY=…]  a socket:\n                            tcp:HOST:PORT\n  --session                 own\n",
			".TP\n\\fB\\-\\-listen ADDRESS[,KEY=…]\\fR\na socket: tcp:HOST:PORT\n.TP\n\\fB\\-\\-session\\fR\nown\n"},
		{"option of package flag", "  --check\n    \treport whether\n", ".TP\n\\fB\\-\\-check\\fR\nreport whether\n"},
		{"example", "In bash:\n\n  supctl x\n", ".PP\nIn bash:\n.PP\n.RS 4\n.nf\n  supctl x\n.fi\n.RE\n"},
		{"no request", ".so\n'x\\y\n", ".PP\n\\&.so\n\\&'x\\ey\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ofText(test.help); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestOfMarkdown(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"headings", "# Title\n## A `file`\n### [x]\n", ".SH \"A FILE\"\n.SS \"[x]\"\n"},
		{"code", "a `b-c` **d** [e](f.md)\n", ".PP\na \\fBb\\-c\\fR \\fBd\\fR e\n"},
		{"markup in code", "`a**b**`\n", ".PP\n\\fBa**b**\\fR\n"},
		{"list", "- one\n- two\n", ".IP \\(bu 2\none\n.IP \\(bu 2\ntwo\n"},
		{"verbatim", "```toml\n.x = 1\n```\n", ".PP\n.RS 4\n.nf\n\\&.x = 1\n.fi\n.RE\n"},
		{"keys", "| key | type | default | meaning |\n| --- | --- | --- | --- |\n| `a` | path | `\"b|c\"` | d |\n| `e` | path | | f |\n| `g` | path | required | h |\n",
			".TP\n\\fBa\\fR (path, default \\fB\"b|c\"\\fR)\nd\n.TP\n\\fBe\\fR (path)\nf\n.TP\n\\fBg\\fR (path, required)\nh\n"},
		{"table", "| a | b |\n| --- | --- |\n| c | d |\n", ".TP\nc\nd\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := strings.TrimPrefix(ofMarkdown(test.text), heading("Description"))
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
