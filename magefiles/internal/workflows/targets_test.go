package workflows

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// call is a call of mage in a script.
type call struct {
	target string
	flags  []string
}

// mageCalls finds what scripts type after mage: its own flags with a value,
// then the target with its flags.
func mageCalls(text string) (calls []call) {
	for line := range strings.Lines(text) {
		_, rest, ok := strings.Cut(line, "go tool mage ")
		if !ok {
			continue
		}
		var c call
		words := strings.Fields(rest)
		for i := 0; i < len(words); i++ {
			flag, isFlag := strings.CutPrefix(words[i], "-")
			switch {
			case isFlag && c.target == "":
				i++ // -w DIR
			case isFlag:
				name, _, _ := strings.Cut(flag, "=")
				c.flags = append(c.flags, name)
			case c.target == "":
				c.target = words[i]
			}
		}
		calls = append(calls, c)
	}
	return calls
}

// mageTargets reads the targets with their flags out of their sources, as mage
// does: exported functions, methods of namespaces, and aliases.
func mageTargets(t *testing.T) map[string][]string {
	t.Helper()
	targets := map[string][]string{}
	found, err := filepath.Glob(filepath.Join(top, "magefiles", "targets", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(found, filepath.Join(top, "magefiles", "magefile.go")) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() {
					continue
				}
				name := strings.ToLower(d.Name.Name)
				if d.Recv != nil {
					space, ok := d.Recv.List[0].Type.(*ast.Ident)
					if !ok || !space.IsExported() {
						continue
					}
					name = strings.ToLower(space.Name) + ":" + name
				}
				targets[name] = flagsOf(d.Type)
			case *ast.GenDecl:
				for alias, of := range aliases(d) {
					targets[alias] = targets[of]
				}
			}
		}
	}
	return targets
}

// flagsOf are the pointers among the arguments.
func flagsOf(f *ast.FuncType) (flags []string) {
	for _, p := range f.Params.List {
		if _, ok := p.Type.(*ast.StarExpr); ok {
			for _, n := range p.Names {
				flags = append(flags, n.Name)
			}
		}
	}
	return flags
}

// aliases reads mage's map of aliases: {"hotfix": targets.Hotfix.Check}.
func aliases(d *ast.GenDecl) map[string]string {
	out := map[string]string{}
	for _, s := range d.Specs {
		v, ok := s.(*ast.ValueSpec)
		if !ok || len(v.Names) != 1 || v.Names[0].Name != "Aliases" || len(v.Values) != 1 {
			continue
		}
		list, ok := v.Values[0].(*ast.CompositeLit)
		if !ok {
			continue
		}
		for _, e := range list.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			key, ok := kv.Key.(*ast.BasicLit)
			if !ok {
				continue
			}
			alias, err := strconv.Unquote(key.Value)
			if err != nil {
				continue
			}
			out[alias] = dotted(kv.Value)
		}
	}
	return out
}

// dotted gives targets.Hotfix.Check as hotfix:check.
func dotted(e ast.Expr) string {
	var names []string
	for {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return strings.Join(names, ":")
		}
		names = slices.Insert(names, 0, strings.ToLower(sel.Sel.Name))
		e = sel.X
	}
}

func TestMageTargets(t *testing.T) {
	targets := mageTargets(t)
	for name, flag := range map[string]string{
		"release:rc": "parts", "release:publish": "tag", "build:binaries": "target", "rehearse": "keep", "registry:serve": "listen",
	} {
		if !slices.Contains(targets[name], flag) {
			t.Errorf("%s has the flags %q, want -%s among them", name, targets[name], flag)
		}
	}
	got := mageCalls("x\n  go tool mage -w \"$DIR\" release:rc -tag=v1 -dryRun\n")
	if len(got) != 1 || got[0].target != "release:rc" || !slices.Equal(got[0].flags, []string{"tag", "dryRun"}) {
		t.Errorf("read %+v", got)
	}
}
