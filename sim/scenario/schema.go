package scenario

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// typesSource is where the descriptions come from: the doc comments of the types.
//
//go:embed types.go
var typesSource string

//go:embed types_faults.go
var faultTypesSource string

//go:embed types_promises.go
var promiseTypesSource string

// jsonSchema is the part of JSON Schema (draft-07, which every editor reads) that
// the format needs.
type jsonSchema struct {
	Schema      string        `json:"$schema,omitempty"`
	Title       string        `json:"title,omitempty"`
	Description string        `json:"description,omitempty"`
	Ref         string        `json:"$ref,omitempty"`
	AllOf       []*jsonSchema `json:"allOf,omitempty"`
	// Type is a name or a list of names.
	Type     any    `json:"type,omitempty"`
	Enum     any    `json:"enum,omitempty"`
	Pattern  string `json:"pattern,omitempty"`
	Minimum  *int   `json:"minimum,omitempty"`
	Maximum  *int   `json:"maximum,omitempty"`
	MinItems int    `json:"minItems,omitempty"`
	MaxItems int    `json:"maxItems,omitempty"`

	Items         *jsonSchema `json:"items,omitempty"`
	Properties    properties  `json:"properties,omitempty"`
	PropertyNames *jsonSchema `json:"propertyNames,omitempty"`
	// AdditionalProperties is false or a schema.
	AdditionalProperties any                    `json:"additionalProperties,omitempty"`
	Required             []string               `json:"required,omitempty"`
	Definitions          map[string]*jsonSchema `json:"definitions,omitempty"`
}

type property struct {
	name   string
	schema *jsonSchema
}

// properties are written in the order of the Go fields.
type properties []property

// MarshalJSON writes an object.
func (p properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, property := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(property.name)
		if err != nil {
			return nil, err
		}
		value, err := marshal(property.schema)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal leaves < and > as they are: the schema is read by humans too.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// durationPattern is what time.ParseDuration reads, without a sign: no time in a
// scenario is negative.
const durationPattern = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`

// Schema is the JSON schema of a scenario file, for editors. It knows every field,
// its form and its closed list of values; what depends on more than one field is
// for Validate alone.
func Schema() ([]byte, error) {
	docs, err := parseDocs(typesSource, faultTypesSource, promiseTypesSource)
	if err != nil {
		return nil, err
	}
	g := &schemaGenerator{docs: docs, definitions: map[string]*jsonSchema{}}
	root := g.structure(reflect.TypeFor[Scenario]())
	root.Schema = "http://json-schema.org/draft-07/schema#"
	root.Title = Kind + " of " + APIVersion
	root.Definitions = g.definitions
	data, err := marshal(root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// enums are the closed lists of named types.
var enums = map[reflect.Type]any{
	reflect.TypeFor[Scheduler]():    Schedulers(),
	reflect.TypeFor[Topology]():     topologies,
	reflect.TypeFor[OrdinalState](): ordinalStates,
	reflect.TypeFor[HolderName]():   holderNames,
	reflect.TypeFor[Answer]():       answers,
	reflect.TypeFor[Direction]():    directions,
	reflect.TypeFor[Refusal]():      refusals,
	reflect.TypeFor[Waits]():        waits,
	reflect.TypeFor[ClaimState]():   claimStates,

	reflect.TypeFor[corev1.TaintEffect]():         taintEffects,
	reflect.TypeFor[metav1.DeletionPropagation](): cascades,
}

// restrictions narrow single fields, by Type.Field, as Validate does.
var restrictions = map[string]func(*jsonSchema){
	"Scenario.APIVersion":                        func(s *jsonSchema) { s.Enum = []string{APIVersion} },
	"Scenario.Kind":                              func(s *jsonSchema) { s.Enum = []string{Kind} },
	"Scenario.Objects":                           func(s *jsonSchema) { s.MaxItems = ObjectsMax },
	"Scenario.Timeline":                          func(s *jsonSchema) { s.MaxItems = StepsMax },
	"Cluster.From":                               func(s *jsonSchema) { s.MinItems, s.MaxItems = 1, snapshot.FilesMax },
	"Cluster.NodeGroups":                         func(s *jsonSchema) { s.MinItems = 1 },
	"Cluster.StorageClasses":                     func(s *jsonSchema) { s.MaxItems = StorageClassesMax },
	"NodeGroup.Count":                            func(s *jsonSchema) { s.Minimum, s.Maximum = new(1), new(GroupNodesMax) },
	"NodeGroup.AttachLimit":                      func(s *jsonSchema) { s.Minimum, s.Maximum = new(1), new(AttachLimitMax) },
	"Violation.Invariant":                        func(s *jsonSchema) { s.Enum = invariants },
	"Violation.Outside":                          func(s *jsonSchema) { s.Enum = outsideKinds() },
	"SetAttachLimit.Limit":                       func(s *jsonSchema) { s.Minimum, s.Maximum = new(1), new(AttachLimitMax) },
	"Request.Component":                          func(s *jsonSchema) { s.Enum = schedulerComponents },
	"LostRequest.Verb":                           func(s *jsonSchema) { s.Enum = lostVerbs },
	"Scale.Replicas":                             func(s *jsonSchema) { s.Minimum, s.Maximum = new(0), new(ReplicasMax) },
	"Scenario.Args":                              func(s *jsonSchema) { s.Required = nil },
	"Expectation.PreconditionsMet":               func(s *jsonSchema) { s.Items.Enum = invariants },
	"Expectation.BindOrder":                      func(s *jsonSchema) { s.MaxItems = ExpectationsMax },
	"Expectation.Events":                         func(s *jsonSchema) { s.MaxItems = ExpectationsMax },
	"Request.Verb":                               func(s *jsonSchema) { s.Enum = requestVerbs },
	"Hold.Evidence":                              func(s *jsonSchema) { s.Enum = evidenceKinds },
	"StorageClass.AttachSeconds":                 notNegativeSchema,
	"StorageClass.DetachSeconds":                 notNegativeSchema,
	"Timers.TolerationSeconds":                   notNegativeSchema,
	"Ordinal.Incarnations":                       notNegativeSchema,
	"Ordinal.Restarts":                           notNegativeSchema,
	"Workload.Kind":                              func(s *jsonSchema) { s.Enum = workloadKinds },
	"Workload.Pods":                              notNegativeSchema,
	"Workload.Unavailable":                       notNegativeSchema,
	"Workload.Names":                             notNegativeSchema,
	"Workload.Addresses":                         notNegativeSchema,
	"Workload.Volumes":                           notNegativeSchema,
	"Claim.Volumes":                              notNegativeSchema,
	"Order.Pods":                                 func(s *jsonSchema) { s.MinItems = 2 },
	"Break.Steps":                                func(s *jsonSchema) { s.MinItems = 1 },
	"Break.Fails":                                func(s *jsonSchema) { s.MinItems = 1 },
	"Expectation.SchedulingAttemptsWhileHeldMax": notNegativeSchema,
}

func notNegativeSchema(s *jsonSchema) { s.Minimum = new(0) }

type schemaGenerator struct {
	// docs has the doc comments, by Type and by Type.Field.
	docs        map[string]string
	definitions map[string]*jsonSchema
}

func (g *schemaGenerator) structure(t reflect.Type) *jsonSchema {
	s := &jsonSchema{Description: g.docs[t.Name()], Type: "object", AdditionalProperties: false}
	for _, f := range jsonFields(t).inOrder {
		// A field of an embedded type is described where it stands.
		owner := t
		for _, i := range f.index[:len(f.index)-1] {
			owner = owner.Field(i).Type
		}
		name := owner.Name() + "." + f.goField.Name
		property := property{name: f.name, schema: g.field(f.goField.Type, inJSON(g.docs[name], f.goField.Name, f.name))}
		if restrict := restrictions[name]; restrict != nil {
			restrict(property.schema)
		}
		s.Properties = append(s.Properties, property)
		if !f.optional {
			s.Required = append(s.Required, f.name)
		}
	}
	return s
}

// field is the schema of a type with a description of its own. Draft-07 ignores
// whatever stands beside a $ref, hence allOf.
func (g *schemaGenerator) field(t reflect.Type, description string) *jsonSchema {
	s := g.of(t)
	if s.Ref != "" {
		s = &jsonSchema{AllOf: []*jsonSchema{s}}
	}
	s.Description = description
	return s
}

func (g *schemaGenerator) of(t reflect.Type) *jsonSchema {
	if t.Kind() == reflect.Pointer {
		return g.of(t.Elem())
	}
	switch t {
	case durationType:
		return &jsonSchema{Type: "string", Pattern: durationPattern}
	case quantityType:
		return &jsonSchema{Type: []string{"string", "number"}}
	case rawExtensionType:
		return &jsonSchema{Type: "object", Required: []string{"apiVersion", "kind", "metadata"}}
	}
	if values, ok := enums[t]; ok {
		return &jsonSchema{Type: "string", Enum: values}
	}
	switch t.Kind() {
	case reflect.Struct:
		if g.definitions[t.Name()] == nil {
			g.definitions[t.Name()] = g.structure(t)
		}
		return &jsonSchema{Ref: "#/definitions/" + t.Name()}
	case reflect.Slice:
		return &jsonSchema{Type: "array", Items: g.of(t.Elem())}
	case reflect.Map:
		s := &jsonSchema{Type: "object", AdditionalProperties: g.of(t.Elem())}
		if values, ok := enums[t.Key()]; ok {
			s.PropertyNames = &jsonSchema{Enum: values}
		}
		return s
	case reflect.Bool:
		return &jsonSchema{Type: "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return &jsonSchema{Type: "integer"}
	case reflect.String:
		return &jsonSchema{Type: "string"}
	}
	panic(fmt.Sprintf("the schema of %s is not defined: give it one here", t))
}

// parseDocs returns the doc comments of the types and fields of Go files, each as one
// line.
func parseDocs(sources ...string) (map[string]string, error) {
	docs := map[string]string{}
	for _, source := range sources {
		if err := addDocs(docs, source); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

func addDocs(docs map[string]string, source string) error {
	file, err := parser.ParseFile(token.NewFileSet(), "types.go", source, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, declaration := range file.Decls {
		declaration, ok := declaration.(*ast.GenDecl)
		if !ok || declaration.Tok != token.TYPE {
			continue
		}
		for _, spec := range declaration.Specs {
			spec := spec.(*ast.TypeSpec)
			docs[spec.Name.Name] = oneLine(declaration.Doc)
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range structure.Fields.List {
				for _, name := range f.Names {
					docs[spec.Name.Name+"."+name.Name] = oneLine(f.Doc)
				}
			}
		}
	}
	return nil
}

func oneLine(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }

// inJSON makes a Go doc comment one of the file: it begins with the name that the
// field has there.
func inJSON(doc, goName, jsonName string) string {
	rest, ok := strings.CutPrefix(doc, goName)
	if first, _ := utf8.DecodeRuneInString(rest); !ok || unicode.IsLetter(first) {
		return doc
	}
	return jsonName + rest
}
