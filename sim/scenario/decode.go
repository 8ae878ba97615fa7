package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// decoder reads YAML trees into Go values by their JSON tags, for the scenario's
// types and for Kubernetes' alike. It goes on after a problem, so that all of
// them can be reported, and knows the line of each: the usual way through JSON
// loses the lines and stops at the first value of a wrong form.
type decoder struct {
	file string
	// required asks for every field without omitempty. The scenario's types mean
	// it so; Kubernetes' leave that to the API server.
	required bool
	// lines has the line of every field that was met, by its path.
	lines map[string]int
	// raw has the tree of every RawExtension, by its path.
	raw map[string]*yaml.Node
	// visited counts values: through aliases a small file can stand for a vast one.
	visited int
	// around has what the current value is part of, in which it cannot be contained
	// again.
	around   []*yaml.Node
	problems []Problem
}

func newDecoder(file string, required bool) *decoder {
	return &decoder{file: file, required: required, lines: map[string]int{}, raw: map[string]*yaml.Node{}}
}

func (d *decoder) problem(line int, p *field.Path, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Field: pathString(p), Message: fmt.Sprintf(format, args...)})
}

// pathString is empty for the root, for which field.Path has a nil.
func pathString(p *field.Path) string {
	if p == nil {
		return ""
	}
	return p.String()
}

// line is where a field stands, or the nearest one around it that stands there.
func (d *decoder) line(path string) int {
	for {
		if l, ok := d.lines[path]; ok {
			return l
		}
		if path == "" {
			return 1
		}
		path = parentPath(path)
	}
}

// parentPath takes the last name, index or key off a path.
func parentPath(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:max(strings.LastIndex(path, "["), 0)]
	}
	return path[:max(strings.LastIndex(path, "."), 0)]
}

// enter begins to read a value: it follows an alias to what it stands for, and
// notes the line. It is false if there is more than may be read; leave ends it.
func (d *decoder) enter(n *yaml.Node, p *field.Path) (*yaml.Node, bool) {
	line, again := n.Line, false
	if n.Kind == yaml.AliasNode {
		n = n.Alias
		again = slices.Contains(d.around, n)
	}
	d.around = append(d.around, n)
	if d.visited++; d.visited > ValuesMax {
		if d.visited == ValuesMax+1 {
			d.problem(line, nil, "more than %d values with all aliases written out", ValuesMax)
		}
		return nil, false
	}
	if again {
		d.problem(line, p, "an alias of something that contains it")
		return nil, false
	}
	if path := pathString(p); d.lines[path] == 0 {
		d.lines[path] = line
	}
	return n, true
}

func (d *decoder) leave() { d.around = d.around[:len(d.around)-1] }

var (
	unmarshalerType  = reflect.TypeFor[json.Unmarshaler]()
	rawExtensionType = reflect.TypeFor[runtime.RawExtension]()
	durationType     = reflect.TypeFor[metav1.Duration]()
	quantityType     = reflect.TypeFor[resource.Quantity]()
)

// value reads n into v. What it cannot read it reports and leaves zero.
func (d *decoder) value(n *yaml.Node, p *field.Path, v reflect.Value) {
	defer d.leave()
	n, ok := d.enter(n, p)
	if !ok || isNull(n) {
		return // JSON's null leaves a field as if it were absent.
	}
	for v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.Type() == rawExtensionType {
		d.rawExtension(n, p, v)
		return
	}
	if v.Addr().Type().Implements(unmarshalerType) {
		d.leaf(n, p, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, p, v)
	case reflect.Map:
		d.mapping(n, p, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			d.leaf(n, p, v) // Bytes are a string in base64.
			return
		}
		d.list(n, p, v)
	default:
		d.leaf(n, p, v)
	}
}

func (d *decoder) structure(n *yaml.Node, p *field.Path, v reflect.Value) {
	pairs, ok := d.pairs(n, p, p.Child)
	if !ok {
		return
	}
	fields := jsonFields(v.Type())
	given := map[string]bool{}
	for _, pair := range pairs {
		f, ok := fields.byName[pair.key]
		if !ok {
			d.problem(pair.line, pair.path, "unknown field%s", fields.hint(pair.key))
			continue
		}
		given[pair.key] = !isNull(pair.value)
		d.value(pair.value, pair.path, v.FieldByIndex(f.index))
	}
	if !d.required {
		return
	}
	for _, f := range fields.inOrder {
		if !f.optional && !given[f.name] {
			child := p.Child(f.name)
			d.problem(d.line(pathString(child)), child, "Required value")
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, p *field.Path, v reflect.Value) {
	pairs, ok := d.pairs(n, p, func(name string, _ ...string) *field.Path { return p.Key(name) })
	if !ok {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(pairs)))
	for _, pair := range pairs {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(pair.value, pair.path, element)
		v.SetMapIndex(reflect.ValueOf(pair.key).Convert(v.Type().Key()), element)
	}
}

func (d *decoder) list(n *yaml.Node, p *field.Path, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.problem(n.Line, p, "want a list, got %s", describeNode(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, p.Index(i), v.Index(i))
	}
}

// rawExtension keeps the tree for whoever knows its type. That reader meets the
// same problems again and can name their fields better: under the scenario's own
// types they are left to it.
func (d *decoder) rawExtension(n *yaml.Node, p *field.Path, v reflect.Value) {
	d.raw[pathString(p)] = n
	before := len(d.problems)
	d.leaf(n, p, v)
	if d.required {
		d.problems = d.problems[:before]
	}
}

// leaf reads a scalar, or whatever reads itself from JSON.
func (d *decoder) leaf(n *yaml.Node, p *field.Path, v reflect.Value) {
	before := len(d.problems)
	plain := d.plain(n, p)
	if len(d.problems) > before {
		return
	}
	data, err := json.Marshal(plain)
	if err != nil {
		d.problem(n.Line, p, "%v", err)
		return
	}
	if err := json.Unmarshal(data, v.Addr().Interface()); err != nil {
		v.SetZero()
		d.problem(n.Line, p, "want %s, got %s", wanted(v.Type()), describeNode(n))
	}
}

// plain is the tree as encoding/json has it.
func (d *decoder) plain(n *yaml.Node, p *field.Path) any {
	defer d.leave()
	n, ok := d.enter(n, p)
	if !ok {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		pairs, _ := d.pairs(n, p, p.Child)
		m := make(map[string]any, len(pairs))
		for _, pair := range pairs {
			m[pair.key] = d.plain(pair.value, pair.path)
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = d.plain(item, p.Index(i))
		}
		return list
	}
	return d.scalar(n, p)
}

func (d *decoder) scalar(n *yaml.Node, p *field.Path) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
		var u uint64
		if n.Decode(&u) == nil {
			return u
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
	case "!!str", "!!timestamp":
		d.refuseOldBool(n, p)
		return n.Value
	}
	d.problem(n.Line, p, "%s cannot be read", describeNode(n))
	return nil
}

// refuseOldBool: kubectl reads YAML 1.1, in which these words are booleans. A
// manifest must not mean one thing here and another there.
func (d *decoder) refuseOldBool(n *yaml.Node, p *field.Path) {
	if n.Style != 0 {
		return // Quoted, or tagged as a string.
	}
	switch strings.ToLower(n.Value) {
	case "y", "n", "yes", "no", "on", "off":
		d.problem(n.Line, p, "%s is a boolean to kubectl and a string to others: write true or false, or quote it", n.Value)
	}
}

// pair is one field of a mapping.
type pair struct {
	key   string
	path  *field.Path
	line  int
	value *yaml.Node
}

// pairs are the fields of a mapping, in the order of the file and each once. It
// is false if n is none.
func (d *decoder) pairs(n *yaml.Node, p *field.Path, child func(string, ...string) *field.Path) ([]pair, bool) {
	if n.Kind != yaml.MappingNode {
		d.problem(n.Line, p, "want a mapping, got %s", describeNode(n))
		return nil, false
	}
	var pairs []pair
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			d.problem(key.Line, p, "merge keys are not supported: write the fields out")
			continue
		case key.Kind != yaml.ScalarNode:
			d.problem(key.Line, p, "want a name as key, got %s", describeNode(key))
			continue
		}
		path := child(key.Value)
		d.refuseOldBool(key, path)
		if line, ok := first[key.Value]; ok {
			d.problem(key.Line, path, "given before, in line %d", line)
			continue
		}
		first[key.Value] = key.Line
		d.lines[pathString(path)] = key.Line
		pairs = append(pairs, pair{key: key.Value, path: path, line: key.Line, value: value})
	}
	return pairs, true
}

func isNull(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// describeNode says what stands in the file, as a reader sees it.
func describeNode(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!str":
		return strconv.Quote(n.Value)
	}
	return n.Value
}

// wanted says what a value of the type looks like in the file.
func wanted(t reflect.Type) string {
	switch t {
	case durationType:
		return "a duration such as 4m30s"
	case quantityType:
		return "a quantity such as 500m or 32Gi"
	case reflect.TypeFor[intstr.IntOrString]():
		return "a number or a string"
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return "a time such as 2030-01-31T12:00:00Z"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a string in base64"
	}
	return "a value of type " + t.String()
}

// jsonField is a field of a Go struct, as JSON has it.
type jsonField struct {
	name     string
	optional bool
	index    []int
	goField  reflect.StructField
}

// fieldSet is the fields of a Go struct, those of inlined structs among them.
type fieldSet struct {
	inOrder []jsonField
	byName  map[string]jsonField
}

func jsonFields(t reflect.Type) fieldSet {
	set := fieldSet{byName: map[string]jsonField{}}
	set.add(t, nil)
	return set
}

func (s *fieldSet) add(t reflect.Type, index []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := append(append([]int{}, index...), i)
		switch {
		case f.Anonymous && name == "":
			s.add(f.Type, at)
		case f.IsExported() && name != "" && name != "-":
			field := jsonField{name: name, optional: strings.Contains(options, "omitempty"), index: at, goField: f}
			s.inOrder = append(s.inOrder, field)
			s.byName[name] = field
		}
	}
}

// hint names the field that differs in nothing but case.
func (s *fieldSet) hint(name string) string {
	for _, f := range s.inOrder {
		if strings.EqualFold(f.name, name) {
			return ": did you mean " + f.name + "?"
		}
	}
	return ""
}
