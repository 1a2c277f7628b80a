package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sources are the files of this package but for its tests.
func sources(t *testing.T) (*token.FileSet, []*ast.File) {
	t.Helper()
	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return set, files
}

// workerStates are those of a worker, in their order.
var workerStates = []string{"Starting", "Running", "Unhealthy", "Stopping", "Exited"}

// TestEveryEventListsEveryState: what happens to a worker says of each state what
// then, so that nobody forgets one. A default would.
func TestEveryEventListsEveryState(t *testing.T) {
	set, files := sources(t)
	switches := 0
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SwitchStmt)
			if !ok || !isState(s.Tag) {
				return true
			}
			switches++
			var listed []string
			for _, c := range s.Body.List {
				clause := c.(*ast.CaseClause)
				if clause.List == nil {
					t.Errorf("%v: a default hides the states that it stands for", set.Position(clause.Pos()))
				}
				for _, e := range clause.List {
					if state, ok := e.(*ast.SelectorExpr); ok {
						listed = append(listed, state.Sel.Name)
					}
				}
			}
			for _, state := range workerStates {
				if !slices.Contains(listed, state) {
					t.Errorf("%v: nothing is said of a worker that is %s", set.Position(s.Pos()), state)
				}
			}
			return true
		})
	}
	if switches < 10 {
		t.Errorf("only %d switches over the state of a worker were found", switches)
	}
}

// isState reports whether e is the state of a worker.
func isState(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "State"
}

// TestOneWriter: a worker's state and deadline are written by set alone.
func TestOneWriter(t *testing.T) {
	set, files := sources(t)
	found := 0
	for _, f := range files {
		for _, d := range f.Decls {
			function, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(function, func(n ast.Node) bool {
				assignment, ok := n.(*ast.AssignStmt)
				if !ok {
					return true
				}
				for _, to := range assignment.Lhs {
					s, ok := to.(*ast.SelectorExpr)
					if !ok || s.Sel.Name != "State" && s.Sel.Name != "Deadline" {
						continue
					}
					found++
					if function.Name.Name != "set" {
						t.Errorf("%v: %s writes past set", set.Position(to.Pos()), function.Name.Name)
					}
				}
				return true
			})
		}
	}
	if found != 2 {
		t.Errorf("%d assignments were found, want the two of set", found)
	}
}
