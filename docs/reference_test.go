// Package docs_test holds what the documents list against what the code has.
package docs_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/metrics/legacyregistry"
	"sigs.k8s.io/yaml"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	configv1 "github.com/holdfast-dev/holdfast/pkg/apis/config/v1"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/validation"
	"github.com/holdfast-dev/holdfast/pkg/metrics"
	"github.com/holdfast-dev/holdfast/pkg/order"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

// rows returns the cells of every row of the tables under a heading of reference.md,
// without the backticks.
func rows(t *testing.T, heading string) [][]string {
	t.Helper()
	content, err := os.ReadFile("reference.md")
	if err != nil {
		t.Fatal(err)
	}
	var found [][]string
	in, head := false, true
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			in, head = strings.TrimLeft(line, "# ") == heading, true
		case !strings.HasPrefix(line, "|"):
			head = true
		case !in:
		case head: // The names of the columns, and then the line under them.
			head = false
		case !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i, c := range cells {
				cells[i] = strings.TrimSpace(strings.ReplaceAll(c, "`", ""))
			}
			found = append(found, cells)
		}
	}
	if len(found) == 0 {
		t.Fatalf("reference.md has no table under %q", heading)
	}
	return found
}

// compare fails for what is only documented, and for what only exists.
func compare(t *testing.T, what string, documented, real []string) {
	t.Helper()
	for _, d := range documented {
		if !slices.Contains(real, d) {
			t.Errorf("%s %q is documented and does not exist", what, d)
		}
	}
	for _, r := range real {
		if !slices.Contains(documented, r) {
			t.Errorf("%s %q exists and is not documented", what, r)
		}
	}
}

// first is the first cell of each row.
func first(rows [][]string) []string {
	var cells []string
	for _, r := range rows {
		cells = append(cells, r[0])
	}
	return cells
}

// source has the parsed files of a folder of the module, without tests.
func source(t *testing.T, folder string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no files, error %v", folder, err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// texts has the constants of the files that are texts, by name.
func texts(files []*ast.File) map[string]string {
	found := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if i < len(spec.Values) {
					if text, ok := text(spec.Values[i]); ok {
						found[name.Name] = text
					}
				}
			}
			return true
		})
	}
	return found
}

func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// events returns type, reason and writer of each event that the package writes: of each
// call that is given a type of the API and a constant Event… of the package.
func events(t *testing.T, folder, by string) []string {
	t.Helper()
	files := source(t, folder)
	constants := texts(files)
	written := map[string]bool{}
	told := map[string]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			var level, reason string
			for _, arg := range call.Args {
				switch arg := arg.(type) {
				case *ast.SelectorExpr:
					if l, ok := strings.CutPrefix(arg.Sel.Name, "EventType"); ok {
						level = l
					}
				case *ast.Ident:
					if strings.HasPrefix(arg.Name, "Event") {
						reason = arg.Name
					}
				}
			}
			switch {
			case level != "" && reason != "":
				told[reason] = true
				written[fmt.Sprintf("%s %s by %s", level, constants[reason], by)] = true
			case level != "":
				t.Errorf("%s: an event of type %s has no constant Event… for its reason", folder, level)
			}
			return true
		})
	}
	for name := range constants {
		if strings.HasPrefix(name, "Event") && !told[name] {
			t.Errorf("%s: nothing writes an event %s", folder, name)
		}
	}
	return slices.Collect(maps.Keys(written))
}

func TestEventsAreThoseThatAreWritten(t *testing.T) {
	var documented []string
	for _, r := range rows(t, "Events") {
		documented = append(documented, r[1]+" "+r[0]+" by "+r[2])
	}
	compare(t, "event", documented, append(events(t, "pkg/plugin", "scheduler"), events(t, "pkg/guard", "guard")...))
}

func TestConditionsAreThoseOfTheAPI(t *testing.T) {
	constants := texts(source(t, "pkg/apis/holdfast/v1alpha1"))
	said := ""
	for _, r := range rows(t, "Conditions") {
		if r[0] != constants["HeldCondition"] {
			t.Errorf("there is no condition %s", r[0])
		}
		said += r[3]
	}
	for _, name := range []string{"HeldByGuard", "HeldByScheduler", "NotHeld"} {
		if !strings.Contains(said, constants[name]) {
			t.Errorf("the reason %s is not documented", constants[name])
		}
	}
}

func TestReasonsOfVerdictsAreThoseOfTheCode(t *testing.T) {
	real := []string{"NoIdentity"}
	for name, value := range texts(source(t, "pkg/tenancy")) {
		if strings.HasPrefix(name, "Reason") {
			real = append(real, value)
		}
	}
	waiting := []order.Reason{order.ReasonSetUnknown, order.ReasonPredecessorNotReady, order.ReasonPredecessorUnbound}
	for _, r := range waiting {
		real = append(real, string(r))
	}
	documented := rows(t, "Reasons of a verdict")
	compare(t, "reason", first(documented), real)
	passing := []tenancy.Reason{tenancy.ReasonNoRecord, tenancy.ReasonVacant, tenancy.ReasonOver, tenancy.ReasonSameIncarnation, tenancy.ReasonVolumeFree, tenancy.ReasonVolumeOnNode, "NoIdentity"}
	for _, r := range documented {
		if passes := slices.Contains(passing, tenancy.Reason(r[0])); passes != (r[1] == "passes") {
			t.Errorf("%s is said to be one that %s", r[0], r[1])
		}
		if waits := slices.Contains(waiting, order.Reason(r[0])); waits != (r[1] == "waits") {
			t.Errorf("%s is said to be one that %s", r[0], r[1])
		}
	}
}

// namesOfMetrics are the names that pkg/metrics gives, whether they are observed or not.
func namesOfMetrics(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, f := range source(t, "pkg/metrics") {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Name" {
					if name, ok := text(n.Value); ok {
						names = append(names, "holdfast_"+name)
					}
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "NewDesc" {
					if name, ok := text(n.Args[0]); ok {
						names = append(names, name)
					}
				}
			}
			return true
		})
	}
	return names
}

func TestMetricsAreThoseOfTheRegistry(t *testing.T) {
	metrics.Register(func() (metrics.Census, bool) { return metrics.Census{}, true })
	// A metric with labels is there once it was observed.
	metrics.Judged(true, "x")
	metrics.Released("x")
	metrics.HoldEnded("x", time.Second)
	metrics.OrderWaiting()("x", time.Second)
	metrics.ReachHas("x", 1)
	metrics.ReachUpdated("x", time.Second)
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var real []string
	leader := namesOfMetrics(t)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "holdfast_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		stability := strings.Trim(strings.Fields(f.GetHelp())[0], "[]")
		who := "each"
		if strings.HasSuffix(f.GetHelp(), "The leader of the guard alone has it.") {
			who = "leader"
		}
		real = append(real, strings.Join([]string{f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, " "), stability, who}, ", "))
		leader = slices.DeleteFunc(leader, func(name string) bool { return name == f.GetName() })
	}
	for _, name := range leader {
		t.Errorf("the test observes no %s", name)
	}
	var documented []string
	for _, r := range rows(t, "Metrics") {
		if strings.HasPrefix(r[0], "holdfast_") {
			documented = append(documented, strings.Join(r[:5], ", "))
		}
	}
	compare(t, "metric", documented, real)
}

// ownName is a name in Holdfast's domain that stands for itself.
var ownName = regexp.MustCompile(`(?:^|["'\s\[{])(holdfast\.dev/[a-z][a-z-]*)(?:$|["'\s\]}:=])`)

func TestNamesOnObjectsAreThoseOfCodeAndManifests(t *testing.T) {
	used := map[string]bool{}
	for _, value := range texts(source(t, "pkg/apis/holdfast/v1alpha1")) {
		if strings.HasPrefix(value, "holdfast.dev/") {
			used[value] = true
		}
	}
	err := filepath.WalkDir(filepath.Join("..", "manifests"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		for _, match := range ownName.FindAllStringSubmatch(string(content), -1) {
			used[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "name", first(rows(t, "On pods, namespaces and records")), slices.Collect(maps.Keys(used)))
}

func TestLeasesAndConfigMapsAreThoseOfCodeAndManifests(t *testing.T) {
	var configuration struct {
		LeaderElection struct{ ResourceName string }
	}
	if err := yaml.Unmarshal(schedulermanifest.Configuration, &configuration); err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		ConfigMapGenerator []struct{ Name string }
	}
	content, err := os.ReadFile("../manifests/scheduler/kustomization.yaml")
	if err == nil {
		err = yaml.Unmarshal(content, &kustomization)
	}
	if err != nil {
		t.Fatal(err)
	}
	real := []string{
		"Lease " + configuration.LeaderElection.ResourceName,
		"Lease " + texts(source(t, "cmd/holdfast-scheduler"))["guardLease"],
		"ConfigMap " + texts(source(t, "pkg/guard"))["AdoptionMark"],
	}
	for _, g := range kustomization.ConfigMapGenerator {
		real = append(real, "ConfigMap "+g.Name)
	}
	var documented []string
	for _, r := range rows(t, "Leases and ConfigMaps") {
		documented = append(documented, r[1]+" "+r[0])
	}
	compare(t, "object", documented, real)
}

// fields returns the fields of the args with their defaults, as a file has them.
func fields(v reflect.Value, prefix string) map[string]string {
	found := map[string]string{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		value := v.Field(i)
		if value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		switch {
		case name == "": // TypeMeta.
		case value.Type() == reflect.TypeFor[metav1.Duration]():
			found[prefix+name] = value.Interface().(metav1.Duration).Duration.String()
		case value.Kind() == reflect.Struct:
			maps.Copy(found, fields(value, name+"."))
		case value.Kind() == reflect.Slice:
			found[prefix+name] = "none"
		default:
			found[prefix+name] = fmt.Sprint(value.Interface())
		}
	}
	return found
}

func TestArgsAreThoseThatAreDecoded(t *testing.T) {
	var args configv1.HoldfastArgs
	configv1.SetDefaults_HoldfastArgs(&args)
	var real, documented []string
	for name, value := range fields(reflect.ValueOf(args), "") {
		real = append(real, name+" = "+value)
	}
	for _, r := range rows(t, "HoldfastArgs") {
		documented = append(documented, r[0]+" = "+r[2])
	}
	compare(t, "field", documented, real)
}

func TestWordsOfTheArgsAreThoseThatAreTaken(t *testing.T) {
	set := map[string]func(*config.HoldfastArgs, string){
		"protect":     func(a *config.HoldfastArgs, w string) { a.Protect = config.Protection(w) },
		"bindOrder":   func(a *config.HoldfastArgs, w string) { a.BindOrder = config.BindOrder(w) },
		"nodeRemoval": func(a *config.HoldfastArgs, w string) { a.NodeRemoval = config.NodeRemoval(w) },
	}
	for _, r := range rows(t, "HoldfastArgs") {
		if r[1] != "word" {
			continue
		}
		if set[r[0]] == nil {
			t.Errorf("the test does not know %s", r[0])
			continue
		}
		refused := func(word string) string {
			args := config.HoldfastArgs{
				Protect: config.ProtectAll, BindOrder: config.BindOrdinal, NodeRemoval: config.RemovalManaged,
				AttachErrorWindow: metav1.Duration{Duration: time.Minute},
			}
			set[r[0]](&args, word)
			return fmt.Sprint(validation.ValidateHoldfastArgs(nil, &args).ToAggregate())
		}
		var said []string
		for _, word := range strings.Fields(r[3]) {
			said = append(said, strconv.Quote(word))
			if why := refused(word); why != "<nil>" {
				t.Errorf("%s %s is documented and refused: %s", r[0], word, why)
			}
		}
		if why := refused("?"); !strings.HasSuffix(why, strings.Join(said, ", ")) {
			t.Errorf("%s: the documented words are %s, but: %s", r[0], said, why)
		}
	}
}

func TestFlagsAreThoseOfTheGuard(t *testing.T) {
	var real []string
	for _, f := range source(t, "cmd/holdfast-scheduler") {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if function, ok := call.Fun.(*ast.SelectorExpr); ok && strings.HasSuffix(function.Sel.Name, "Var") {
				if name, ok := text(call.Args[1]); ok {
					real = append(real, "--"+name)
				}
			}
			return true
		})
	}
	compare(t, "flag", first(rows(t, "Flags of holdfast-scheduler")), real)
}

var ownMetric = regexp.MustCompile(`holdfast_[a-z_]+`)

func TestAlertsAskForMetricsThatExist(t *testing.T) {
	content, err := os.ReadFile("alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := first(rows(t, "Metrics"))
	asked := ownMetric.FindAllString(string(content), -1)
	if len(asked) == 0 {
		t.Fatal("alerts.md asks for none of Holdfast's metrics")
	}
	for _, name := range asked {
		if !slices.Contains(documented, name) {
			t.Errorf("alerts.md asks for %s, which does not exist", name)
		}
	}
	_, rules, _ := strings.Cut(string(content), "```yaml\n")
	rules, _, closed := strings.Cut(rules, "```")
	var groups map[string]any
	if err := yaml.UnmarshalStrict([]byte(rules), &groups); err != nil || !closed || groups["groups"] == nil {
		t.Errorf("the rules are no YAML of rules: %v", err)
	}
}

func TestExitCodesAreThoseOfTheCommand(t *testing.T) {
	real := []string{"0"}
	for _, f := range source(t, "cmd/holdfast") {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "exit") || len(spec.Values) == 0 {
				return true
			}
			if code, ok := spec.Values[0].(*ast.BasicLit); ok && code.Kind == token.INT {
				real = append(real, code.Value)
			}
			return true
		})
	}
	var documented []string
	program := ""
	for _, r := range rows(t, "Exit codes") {
		if program = cmp.Or(r[0], program); strings.HasPrefix(program, "holdfast ") {
			documented = append(documented, r[1])
		}
	}
	compare(t, "exit code", documented, real)
}
