package plugin

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// recordsByVolume is the index of records by the volumes, and by the claims, that their
// latest incarnations use. It is of the informer that wakes pods: an update enters it
// before a hint is asked.
const recordsByVolume = Name + "/volume"

// indexRecords makes the index, unless it is there.
func indexRecords(tenancies cache.SharedIndexInformer) (cache.Indexer, error) {
	err := tenancies.AddIndexers(recordIndexers())
	if _, made := tenancies.GetIndexer().GetIndexers()[recordsByVolume]; made {
		return tenancies.GetIndexer(), nil
	}
	return nil, fmt.Errorf("%s: index of tenancies: %w", Name, err)
}

func recordIndexers() cache.Indexers {
	return cache.Indexers{recordsByVolume: func(obj any) ([]string, error) { return keysOf(obj).UnsortedList(), nil }}
}

// keysOf has the keys of a record as the informer holds it, read where they stand: a
// hint asks it for every pod that waits.
func keysOf(obj any) sets.Set[string] {
	keys := sets.New[string]()
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return keys
	}
	field, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "incarnation", "volumes")
	volumes, _ := field.([]any)
	for _, volume := range volumes {
		use, _ := volume.(map[string]any)
		claim, _ := use["claim"].(string)
		name, _ := use["volume"].(string)
		keys.Insert(keysOfUse(u.GetNamespace(), claim, name)...)
	}
	return keys
}

func keysOfUse(namespace, claim, volume string) []string {
	keys := []string{"claim/" + namespace + "/" + claim}
	if volume != "" {
		keys = append(keys, "volume/"+volume)
	}
	return keys
}

// users returns the records of other identities than the pod's own that name one of the
// uses.
func (r *records) users(pod *v1.Pod, uses []v1alpha1.VolumeUse) ([]*v1alpha1.Tenancy, error) {
	var seen sets.Set[string] // Made when it is needed: hardly any pod shares a volume.
	var users []*v1alpha1.Tenancy
	for _, use := range uses {
		for _, key := range keysOfUse(pod.Namespace, use.Claim, use.Volume) {
			found, err := r.indexer.ByIndex(recordsByVolume, key)
			if err != nil {
				return nil, err
			}
			if len(found) > 0 && seen == nil {
				seen = sets.New(pod.Namespace + "/" + pod.Name)
			}
			for _, obj := range found {
				name, err := cache.MetaNamespaceKeyFunc(obj)
				if err != nil {
					return nil, err
				}
				if seen.Has(name) {
					continue
				}
				seen.Insert(name)
				record, err := toTenancy(obj)
				if err != nil {
					return nil, err
				}
				users = append(users, record)
			}
		}
	}
	return users, nil
}
