package scenario

import (
	"reflect"
	"strings"
)

// FaultFamily is a number of faults of one kind.
type FaultFamily struct {
	// Name of the family, as docs/invariants.md has it.
	Name string `json:"name"`
	// Faults are its steps.
	Faults []FaultStep `json:"faults"`
}

// FaultStep is an action of a step that is a fault.
type FaultStep struct {
	// Name is the step's field.
	Name string `json:"name"`
	// Description says what it does.
	Description string `json:"description"`
	// Fields are what it is told.
	Fields []FaultField `json:"fields"`
}

// FaultField is one field of a fault.
type FaultField struct {
	// Name of the field.
	Name string `json:"name"`
	// Description says what it means.
	Description string `json:"description"`
	// Required: it must be given.
	Required bool `json:"required,omitempty"`
	// Values is the closed list of what it can be, where there is one.
	Values any `json:"values,omitempty"`
}

// families say to which family an action belongs.
var families = []struct {
	name    string
	actions []string
}{
	{"node", []string{"crash", "powerOn", "reboot", "terminate", "freeze", "thaw", "replace", "setClock"}},
	{"network", []string{"partition", "partitionOneWay", "heal", "cutStorage", "healStorage"}},
	{"kubelet", []string{"restartKubelet", "killContainers", "stickContainers", "freeContainers", "hangRuntime", "resumeRuntime", "lieAboutStop"}},
	{"api", []string{"stallWatch", "resumeWatch", "lagWatches", "dropWatch", "loseRequest", "loseAnswer", "refuse"}},
	{"storage", []string{"storage", "restartDriver", "setAttachLimit"}},
	{"scheduler", []string{"restartScheduler", "startScheduler"}},
	{"operators", []string{"delete", "forceDelete", "stripFinalizers", "deleteTenancy", "deleteNode", "taint", "cordon", "drain", "attest", "apply", "scale", "deleteObject"}},
	{"remediation", []string{"fence", "unfence"}},
}

// Faults are all steps by family, with what the format's types say of them.
func Faults() ([]FaultFamily, error) {
	docs, err := parseDocs(typesSource, faultTypesSource)
	if err != nil {
		return nil, err
	}
	g := &schemaGenerator{docs: docs, definitions: map[string]*jsonSchema{}}
	step := g.structure(reflect.TypeFor[Step]())
	var all []FaultFamily
	for _, family := range families {
		f := FaultFamily{Name: family.name}
		for _, action := range family.actions {
			f.Faults = append(f.Faults, g.fault(action, step.property(action)))
		}
		all = append(all, f)
	}
	return all, nil
}

// fault reads an action out of its schema; nil would be one that no step has, which a
// test keeps from happening.
func (g *schemaGenerator) fault(name string, of *jsonSchema) FaultStep {
	f := FaultStep{Name: name, Description: of.Description, Fields: []FaultField{}}
	described := g.definitions[strings.TrimPrefix(of.AllOf[0].Ref, "#/definitions/")]
	required := map[string]bool{}
	for _, name := range described.Required {
		required[name] = true
	}
	for _, p := range described.Properties {
		f.Fields = append(f.Fields, FaultField{Name: p.name, Description: p.schema.Description, Required: required[p.name], Values: p.schema.Enum})
	}
	return f
}

// property is the schema of a field; nil if there is none of that name.
func (s *jsonSchema) property(name string) *jsonSchema {
	for _, p := range s.Properties {
		if p.name == name {
			return p.schema
		}
	}
	return nil
}
