// Package dns computes the records that the DNS specification for Kubernetes derives from
// Services and EndpointSlices (github.com/kubernetes/dns, docs/specification.md, version
// 1.1.0). It serves nothing: a name server's caches and delays are not part of it.
package dns

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Zone is the cluster domain of every simulated cluster.
const Zone = "cluster.local"

// Type is that of a record.
type Type string

// The types that resolve a name to where something listens. PTR and TXT records do not.
const (
	A     Type = "A"
	AAAA  Type = "AAAA"
	SRV   Type = "SRV"
	CNAME Type = "CNAME"
)

// Record is one record, without its time to live.
type Record struct {
	// Name is fully qualified, in lower case and without the dot at its end.
	Name string
	Type Type
	// Value is an address, or a name, or for SRV "<port> <target>": priority and weight
	// are anybody's choice.
	Value string
	// Pod is the namespace/name of the pod that it leads to; empty: to none, or to all.
	Pod string
}

// Name is what a service is called in DNS.
func Name(namespace, service string) string {
	return strings.ToLower(service + "." + namespace + ".svc." + Zone)
}

// Qualify completes a name as the first entry of a pod's search list does in that
// namespace (web, web-0.web), or one that ends in svc. A whole name it returns as it is.
func Qualify(name, namespace string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	switch labels := strings.Split(name, "."); {
	case strings.HasSuffix(name, "."+Zone):
		return name
	case labels[len(labels)-1] == "svc":
		return name + "." + Zone
	default:
		return name + "." + namespace + ".svc." + Zone
	}
}

// Records are those of one service, sorted and each once. The slices must be its own.
func Records(service *corev1.Service, endpoints []*discoveryv1.EndpointSlice) []Record {
	name := Name(service.Namespace, service.Name)
	switch {
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		return []Record{{Name: name, Type: CNAME, Value: strings.ToLower(strings.TrimSuffix(service.Spec.ExternalName, "."))}}
	case service.Spec.ClusterIP == corev1.ClusterIPNone:
		return headless(name, endpoints)
	}
	return clusterIP(name, service)
}

// clusterIP: the service's own addresses, whoever is behind them.
func clusterIP(name string, service *corev1.Service) []Record {
	var records []Record
	for _, ip := range service.Spec.ClusterIPs {
		if kind, ok := typeOf(ip); ok {
			records = append(records, Record{Name: name, Type: kind, Value: ip})
		}
	}
	for _, port := range service.Spec.Ports {
		if port.Name != "" {
			records = append(records, Record{Name: portName(port.Name, port.Protocol, name), Type: SRV, Value: fmt.Sprintf("%d %s", port.Port, name)})
		}
	}
	return sorted(records)
}

// headless: every ready endpoint, under the service's name and under its own. With
// publishNotReadyAddresses the controller has them all as ready.
func headless(name string, endpoints []*discoveryv1.EndpointSlice) []Record {
	var records []Record
	for _, slice := range endpoints {
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			// Unknown counts as ready (k8s.io/api/discovery/v1, EndpointConditions).
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			records = append(records, endpoint(name, slice, e)...)
		}
	}
	return sorted(records)
}

func endpoint(name string, slice *discoveryv1.EndpointSlice, e *discoveryv1.Endpoint) []Record {
	var records []Record
	pod := ""
	if r := e.TargetRef; r != nil && r.Kind == "Pod" {
		pod = cmp.Or(r.Namespace, slice.Namespace) + "/" + r.Name
	}
	for _, address := range e.Addresses {
		kind, ok := typeOf(address)
		if !ok {
			continue
		}
		own := hostname(e, address) + "." + name
		records = append(records, Record{Name: name, Type: kind, Value: address, Pod: pod}, Record{Name: own, Type: kind, Value: address, Pod: pod})
		for _, port := range slice.Ports {
			if port.Name == nil || *port.Name == "" || port.Port == nil {
				continue
			}
			protocol := corev1.ProtocolTCP
			if port.Protocol != nil {
				protocol = *port.Protocol
			}
			records = append(records, Record{Name: portName(*port.Name, protocol, name), Type: SRV, Value: fmt.Sprintf("%d %s", *port.Port, own), Pod: pod})
		}
	}
	return records
}

// hostname is the endpoint's own, or one made of its address: the specification leaves
// open what name an endpoint without one is given.
func hostname(e *discoveryv1.Endpoint, address string) string {
	if e.Hostname != nil && *e.Hostname != "" {
		return strings.ToLower(*e.Hostname)
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(address)
}

func portName(port string, protocol corev1.Protocol, service string) string {
	return strings.ToLower("_" + port + "._" + string(cmp.Or(protocol, corev1.ProtocolTCP)) + "." + service)
}

// typeOf is false of what is no address, as in slices of host names.
func typeOf(address string) (Type, bool) {
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return "", false
	case ip.Is4():
		return A, true
	}
	return AAAA, true
}

func sorted(records []Record) []Record {
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Pod, b.Pod))
	})
	return slices.Compact(records)
}
