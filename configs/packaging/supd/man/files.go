package main

import "strings"

// ofFiles gives the page of the files, under both of their names.
func ofFiles(reference string) []page {
	return []page{
		{name: "supd.toml", section: 5, short: "configuration of supd and of its apps", body: ofMarkdown(reference), also: "supd(8), supctl(1)"},
		{name: "supd-app", section: 5, body: ".so man5/supd.toml.5\n"},
	}
}

// ofMarkdown understands what the reference is written in: headings, paragraphs,
// lists, tables and blocks of code.
func ofMarkdown(text string) string {
	var b strings.Builder
	b.WriteString(heading("Description"))
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "# "):
		case strings.HasPrefix(line, "## "):
			b.WriteString(heading(strings.ReplaceAll(line[len("## "):], "`", "")))
		case strings.HasPrefix(line, "### "):
			b.WriteString(subheading(strings.ReplaceAll(line[len("### "):], "`", "")))
		case strings.HasPrefix(line, "```"):
			begin := i + 1
			for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
			}
			b.WriteString(verbatim(lines[begin:i]))
		case strings.HasPrefix(line, "|"):
			begin := i
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|") {
				i++
			}
			b.WriteString(ofTable(lines[begin : i+1]))
		case strings.HasPrefix(line, "- "):
			b.WriteString(bullet(inline(line[len("- "):])))
		default:
			b.WriteString(paragraph(inline(line)))
		}
	}
	return b.String()
}

// ofTable gives a paragraph for each row below the head. Of four columns those
// between the first and the last are a key's type and default.
func ofTable(rows []string) string {
	var b strings.Builder
	for _, row := range rows[min(2, len(rows)):] {
		cells := cellsOf(row)
		word, meaning := cells[0], cells[1:]
		if len(cells) == 4 {
			word += kind(cells[1], cells[2])
			meaning = cells[3:]
		}
		b.WriteString(term(inline(word), inline(strings.Join(meaning, ". "))))
	}
	return b.String()
}

func kind(of, value string) string {
	switch {
	case of == "":
		return ""
	case value == "":
		return " (" + of + ")"
	case value == "required" || strings.HasPrefix(value, "required,"):
		return " (" + of + ", " + value + ")"
	}
	return " (" + of + ", default " + value + ")"
}

// cellsOf splits a row, except where a bar is in code.
func cellsOf(row string) []string {
	row = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(row), "|"), "|")
	var cells []string
	inCode, begin := false, 0
	for i, c := range row {
		switch {
		case c == '`':
			inCode = !inCode
		case c == '|' && !inCode:
			cells = append(cells, strings.TrimSpace(row[begin:i]))
			begin = i + 1
		}
	}
	return append(cells, strings.TrimSpace(row[begin:]))
}
