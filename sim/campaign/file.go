package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// File is a scenario as a file that scenario.Load reads, its fields in the order of the
// format. Comments go on top.
func File(s *scenario.Scenario, comments ...string) ([]byte, error) {
	// By way of JSON, which has the format's names; every JSON document is one of YAML.
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	tidy(&root)
	var out bytes.Buffer
	for _, c := range comments {
		fmt.Fprintln(&out, "# "+c)
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&root); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return out.Bytes(), encoder.Close()
}

// tidy sets JSON as people write YAML, and leaves out what says nothing.
func tidy(n *yaml.Node) {
	if n.Kind != yaml.MappingNode || len(n.Content) > 0 {
		n.Style = 0
	}
	if n.Kind == yaml.MappingNode {
		kept := n.Content[:0]
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Value == "timers" && len(value.Content) == 0 {
				continue
			}
			kept = append(kept, key, value)
		}
		n.Content = kept
	}
	for _, c := range n.Content {
		tidy(c)
	}
}
