package world

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const (
	provisionerAgent = "csi-provisioner/v1 (linux/amd64) kubernetes/sim"
	attacherAgent    = "csi-attacher/v1 (linux/amd64) kubernetes/sim"
)

// How the sidecars work and retry (external-provisioner and external-attacher:
// --worker-threads, --retry-interval-start, --retry-interval-max).
const (
	sidecarWorkers  = 10
	sidecarRetryMin = time.Second
	sidecarRetryMax = 5 * time.Minute
)

// storage is the disks' side of the world. It is never cut off.
type storage struct {
	classes     []ClassSpec
	drivers     []driver
	answers     *answers
	provisioner *provisioner
	attacher    *attacher
}

func newStorage(c Config, l *ledger) (*storage, error) {
	classes := map[string]ClassSpec{}
	for _, class := range c.Classes {
		if _, ok := classes[class.Name]; ok {
			return nil, fmt.Errorf("storage class %s: named twice", class.Name)
		}
		classes[class.Name] = class
	}
	for _, node := range c.Nodes {
		if node.AttachLimit > 0 {
			l.attachLimits[node.Name] = node.AttachLimit
		}
	}
	provisioning, err := kubernetes.NewForConfig(c.REST(provisionerAgent))
	if err != nil {
		return nil, fmt.Errorf("provisioner's client: %w", err)
	}
	attaching, err := kubernetes.NewForConfig(c.REST(attacherAgent))
	if err != nil {
		return nil, fmt.Errorf("attacher's client: %w", err)
	}
	answers := newAnswers()
	return &storage{
		classes:     c.Classes,
		drivers:     driversOf(c.Classes),
		answers:     answers,
		provisioner: &provisioner{api: provisioning, ledger: l, classes: classes},
		attacher:    &attacher{api: attaching, ledger: l, answers: answers, drivers: attachingOnes(driversOf(c.Classes))},
	}, nil
}

func (s *storage) hasClass(name string) bool {
	return slices.ContainsFunc(s.classes, func(c ClassSpec) bool { return c.Name == name })
}

// start makes the drivers and the classes known and lets the sidecars run until ctx ends.
func (s *storage) start(ctx context.Context, running *sync.WaitGroup) error {
	api := s.provisioner.api.StorageV1()
	for _, d := range driversOf(madeHere(s.classes)) {
		_, err := api.CSIDrivers().Create(ctx, d.object(), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("driver %s: %w", d.name, err)
		}
	}
	for _, class := range s.classes {
		if class.Given != nil {
			continue // Its object is there, with what only that says.
		}
		mode, policy := storagev1.VolumeBindingWaitForFirstConsumer, corev1.PersistentVolumeReclaimDelete
		_, err := api.StorageClasses().Create(ctx, &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: class.Name}, Provisioner: class.driver().name,
			VolumeBindingMode: &mode, ReclaimPolicy: &policy,
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("storage class %s: %w", class.Name, err)
		}
	}
	if err := s.provisioner.start(ctx, running); err != nil {
		return err
	}
	return s.attacher.start(ctx, running)
}

// follow calls sync with the key of every object of an informer that appears or
// changes, again after an error, never twice at once for one key, until ctx ends.
func follow(ctx context.Context, running *sync.WaitGroup, informer cache.SharedIndexInformer, sync func(context.Context, string) error) error {
	return followChanges(ctx, running, informer, func(any, any) bool { return true }, sync)
}

// followChanges is follow, blind to the changes that do not matter.
func followChanges(ctx context.Context, running *sync.WaitGroup, informer cache.SharedIndexInformer,
	matters func(before, now any) bool, sync func(context.Context, string) error) error {
	queue := workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](sidecarRetryMin, sidecarRetryMax))
	enqueue := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			queue.Add(key)
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, DeleteFunc: enqueue,
		UpdateFunc: func(before, now any) {
			if matters(before, now) {
				enqueue(now)
			}
		},
	}); err != nil {
		return err
	}
	running.Go(func() {
		<-ctx.Done()
		queue.ShutDown()
	})
	for range sidecarWorkers {
		running.Go(func() {
			for {
				key, end := queue.Get()
				if end {
					return
				}
				if sync(ctx, key) != nil {
					queue.AddRateLimited(key)
				} else {
					queue.Forget(key)
				}
				queue.Done(key)
			}
		})
	}
	return nil
}

// startInformers starts a factory's informers and waits for them.
func startInformers(ctx context.Context, running *sync.WaitGroup, factory informers.SharedInformerFactory) error {
	factory.Start(ctx.Done())
	running.Go(func() {
		<-ctx.Done()
		factory.Shutdown()
	})
	for _, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return errors.Join(errors.New("informers did not sync"), ctx.Err())
		}
	}
	return nil
}
