package scenario

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func jsonFieldsOf[T any]() []string {
	var names []string
	for _, f := range jsonFields(reflect.TypeFor[T]()).inOrder {
		names = append(names, f.name)
	}
	return names
}

func TestSchemaFileIsUpToDate(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "scenario.schema.json", got)
}

func TestSchemaDescribesEveryField(t *testing.T) {
	schema := loadSchema(t)
	definitions := schema["definitions"].(map[string]any)
	definitions["Scenario"] = schema
	for name, definition := range definitions {
		definition := definition.(map[string]any)
		if definition["description"] == "" || definition["additionalProperties"] != false {
			t.Errorf("%s: want a description and no other properties", name)
		}
		for field, property := range definition["properties"].(map[string]any) {
			if description, _ := property.(map[string]any)["description"].(string); description == "" {
				t.Errorf("%s.%s has no description: give the Go field a comment", name, field)
			}
		}
	}
}

func loadSchema(t *testing.T) map[string]any {
	t.Helper()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func loadYAML(t *testing.T, path string) any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// An editor must accept what Load accepts, and complain of what it can see alone.
func TestSchemaAgreesWithLoad(t *testing.T) {
	schema := loadSchema(t)
	for _, path := range append([]string{"testdata/good/everything.yaml"}, files(t, "../scenarios/*.yaml")...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if problems := checkSchema(schema, schema, loadYAML(t, path), ""); len(problems) > 0 {
				t.Error(strings.Join(problems, "\n"))
			}
		})
	}
	for path, want := range map[string][]string{
		"testdata/bad/missing.yaml": {
			".: no until", ".cluster.nodeGroups[0]: no name", ".timeline[1].attest: no by",
			".expect.default.violations[0]: no by", ".expect.default.violations[0].from: no at",
		},
		"testdata/bad/references.yaml": {
			".apiVersion: sim.holdfast.dev/v1 not in list", ".kind: Story not in list",
			".timeline[2].schedulers[1]: volcano not in list", ".expect: volcano not in list",
			".expect.holdfast.violations[0].invariant: S99 not in list", ".expect.holdfast.ordinals[0].state: Happy not in list",
			".expect.holdfast.holds[0].by: nobody not in list", ".expect.holdfast.holds[0].evidence: Guess not in list",
		},
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := checkSchema(schema, schema, loadYAML(t, path), "")
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// checkSchema is as much of a JSON Schema validator as Schema needs.
func checkSchema(root, schema map[string]any, value any, path string) []string {
	var problems []string
	report := func(format string, args ...any) {
		at := path
		if at == "" {
			at = "."
		}
		problems = append(problems, at+": "+fmt.Sprintf(format, args...))
	}
	for keyword, rule := range schema {
		switch keyword {
		case "$ref":
			definition := root["definitions"].(map[string]any)[strings.TrimPrefix(rule.(string), "#/definitions/")]
			problems = append(problems, checkSchema(root, definition.(map[string]any), value, path)...)
		case "allOf":
			for _, part := range rule.([]any) {
				problems = append(problems, checkSchema(root, part.(map[string]any), value, path)...)
			}
		case "type":
			if !hasType(rule, value) {
				report("not of type %v", rule)
			}
		case "enum":
			if !slices.Contains(rule.([]any), value) {
				report("%v not in list", value)
			}
		case "pattern":
			if s, ok := value.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(s) {
				report("%q does not match", s)
			}
		case "minimum", "maximum":
			n, limit := value.(float64), rule.(float64)
			if keyword == "minimum" && n < limit || keyword == "maximum" && n > limit {
				report("%v is beyond %v", n, limit)
			}
		case "minItems", "maxItems":
			n, limit := float64(len(value.([]any))), rule.(float64)
			if keyword == "minItems" && n < limit || keyword == "maxItems" && n > limit {
				report("%v items", n)
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				problems = append(problems, checkSchema(root, rule.(map[string]any), item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "required":
			object, _ := value.(map[string]any)
			for _, name := range rule.([]any) {
				if _, ok := object[name.(string)]; !ok {
					report("no %s", name)
				}
			}
		case "propertyNames":
			for name := range value.(map[string]any) {
				problems = append(problems, checkSchema(root, rule.(map[string]any), name, path)...)
			}
		case "additionalProperties", "properties":
			continue // Together, below.
		case "$schema", "title", "description", "definitions":
			continue
		default:
			report("the schema has %s, which this check does not know", keyword)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	object, _ := value.(map[string]any)
	for name, member := range object {
		property, known := properties[name].(map[string]any)
		if !known {
			if schema["additionalProperties"] == false {
				report("unknown %s", name)
				continue
			}
			if property, known = schema["additionalProperties"].(map[string]any); !known {
				continue
			}
		}
		problems = append(problems, checkSchema(root, property, member, path+"."+name)...)
	}
	return problems
}

func hasType(rule, value any) bool {
	if names, ok := rule.([]any); ok {
		return slices.ContainsFunc(names, func(name any) bool { return hasType(name, value) })
	}
	switch v := value.(type) {
	case string:
		return rule == "string"
	case bool:
		return rule == "boolean"
	case float64:
		return rule == "number" || rule == "integer" && v == float64(int64(v))
	case []any:
		return rule == "array"
	case map[string]any:
		return rule == "object"
	}
	return false
}
