// What an ordinary program does with the official Go client, each message checked by content.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

const patience = 60 * time.Second

var names, run string
var sent = map[string]string{} // bodies by key

func message(topic, tag string, size int) *primitive.Message {
	key := fmt.Sprintf("k%d-%s", len(sent), run)
	body := key + ":" + strings.Repeat("x", size)
	sent[key] = body
	m := primitive.NewMessage(topic, []byte(body))
	m.WithTag(tag).WithKeys([]string{key}).WithProperty("size", strconv.Itoa(size))
	return m
}

func send(topic string) error {
	p, err := rocketmq.NewProducer(producer.WithNameServer([]string{names}),
		producer.WithGroupName("GP-"+topic), producer.WithRetry(1))
	if err != nil {
		return err
	}
	if err = p.Start(); err != nil {
		return err
	}
	defer p.Shutdown()
	for i := 0; i < 100; i++ {
		tag := []string{"even", "odd"}[i%2]
		result, err := p.SendSync(context.Background(), message(topic, tag, i))
		if err != nil || result.Status != primitive.SendOK {
			return fmt.Errorf("send %d: %v %v", i, result, err)
		}
	}
	var waiting sync.WaitGroup
	failures := make(chan error, 100)
	for i := 0; i < 100; i++ {
		waiting.Add(1)
		err := p.SendAsync(context.Background(), func(_ context.Context, _ *primitive.SendResult, e error) {
			if e != nil {
				failures <- e
			}
			waiting.Done()
		}, message(topic, "async", i))
		if err != nil {
			return err
		}
	}
	waiting.Wait()
	if len(failures) > 0 {
		return <-failures
	}
	var batch []*primitive.Message
	for i := 0; i < 20; i++ {
		batch = append(batch, message(topic, "batch", i))
	}
	_, err = p.SendSync(context.Background(), batch...)
	return err
}

// Consumes until `want` different messages came, and looks at each.
func receive(topic, group, expression string, want int) error {
	return receiveBy(topic, group, consumer.MessageSelector{Type: consumer.TAG, Expression: expression}, want)
}

func choose(topic string) error {
	if err := send(topic); err != nil {
		return err
	}
	by := consumer.MessageSelector{Type: consumer.SQL92,
		Expression: "size BETWEEN 10 AND 19 AND TAGS IN ('even', 'batch')"}
	return receiveBy(topic, "GSQL", by, 15)
}

func receiveBy(topic, group string, selector consumer.MessageSelector, want int) error {
	c, err := rocketmq.NewPushConsumer(consumer.WithNameServer([]string{names}),
		consumer.WithGroupName(group+"-"+run), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		return err
	}
	var lock sync.Mutex
	got := map[string]bool{}
	var wrong error
	err = c.Subscribe(topic, selector,
		func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			lock.Lock()
			defer lock.Unlock()
			for _, m := range messages {
				body, size := sent[m.GetKeys()], len(m.Body)-len(m.GetKeys())-1
				if body != string(m.Body) || m.GetProperty("size") != strconv.Itoa(size) {
					wrong = fmt.Errorf("not as it was sent: %v", m)
				}
				got[m.GetKeys()] = true
			}
			return consumer.ConsumeSuccess, nil
		})
	if err != nil {
		return err
	}
	if err = c.Start(); err != nil {
		return err
	}
	defer c.Shutdown()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		lock.Lock()
		count, problem := len(got), wrong
		lock.Unlock()
		if problem != nil {
			return problem
		}
		if count == want {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d messages came", count, want)
		}
	}
}

// Fails on each message twice, and wants it again after a second.
func fail(topic string) error {
	p, err := rocketmq.NewProducer(producer.WithNameServer([]string{names}),
		producer.WithGroupName("GPF-"+run), producer.WithRetry(1))
	if err != nil {
		return err
	}
	if err = p.Start(); err != nil {
		return err
	}
	defer p.Shutdown()
	const want = 10
	for i := 0; i < want; i++ {
		if _, err = p.SendSync(context.Background(), message(topic, "f", i)); err != nil {
			return err
		}
	}
	c, err := rocketmq.NewPushConsumer(consumer.WithNameServer([]string{names}),
		consumer.WithGroupName("GF-"+run), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		return err
	}
	var lock sync.Mutex
	tries := map[string]int32{}
	done := map[string]bool{}
	var wrong error
	err = c.Subscribe(topic, consumer.MessageSelector{},
		func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			lock.Lock()
			defer lock.Unlock()
			m := messages[0] // one at a time is the default
			if m.ReconsumeTimes != tries[m.GetKeys()] || sent[m.GetKeys()] != string(m.Body) {
				wrong = fmt.Errorf("not as it failed: %v", m)
			}
			tries[m.GetKeys()]++
			if tries[m.GetKeys()] <= 2 {
				if later, ok := primitive.GetConcurrentlyCtx(ctx); ok {
					later.DelayLevelWhenNextConsume = 1
				}
				return consumer.ConsumeRetryLater, nil
			}
			done[m.GetKeys()] = true
			return consumer.ConsumeSuccess, nil
		})
	if err != nil {
		return err
	}
	if err = c.Start(); err != nil {
		return err
	}
	defer c.Shutdown()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		lock.Lock()
		count, problem := len(done), wrong
		lock.Unlock()
		if problem != nil {
			return problem
		}
		if count == want {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d messages came a third time", count, want)
		}
	}
}

type decider struct{}

func (decider) ExecuteLocalTransaction(m *primitive.Message) primitive.LocalTransactionState {
	switch m.GetTags() {
	case "commit":
		return primitive.CommitMessageState
	case "rollback":
		return primitive.RollbackMessageState
	}
	return primitive.UnknowState
}

func (decider) CheckLocalTransaction(m *primitive.MessageExt) primitive.LocalTransactionState {
	if m.GetTags() == "ask" && sent[m.GetKeys()] == string(m.Body) {
		return primitive.CommitMessageState
	}
	return primitive.RollbackMessageState
}

// Commits a message, rolls one back, and is asked about a third, which the consumer gets.
func transact(topic string) error {
	p, err := rocketmq.NewTransactionProducer(decider{}, producer.WithNameServer([]string{names}),
		producer.WithGroupName("GPT-"+run), producer.WithRetry(1))
	if err != nil {
		return err
	}
	if err = p.Start(); err != nil {
		return err
	}
	defer p.Shutdown()
	for _, tag := range []string{"rollback", "ask", "commit"} {
		if _, err = p.SendMessageInTransaction(context.Background(), message(topic, tag, 5)); err != nil {
			return err
		}
	}
	return receive(topic, "GT", "*", 2)
}

// Messages of delay level 2 come after their two seconds.
func delay(topic string) error {
	p, err := rocketmq.NewProducer(producer.WithNameServer([]string{names}),
		producer.WithGroupName("GPD-"+run), producer.WithRetry(1))
	if err != nil {
		return err
	}
	if err = p.Start(); err != nil {
		return err
	}
	defer p.Shutdown()
	began := time.Now()
	for i := 0; i < 10; i++ {
		if _, err = p.SendSync(context.Background(), message(topic, "later", i).WithDelayTimeLevel(2)); err != nil {
			return err
		}
	}
	if err = receive(topic, "GD", "*", 10); err != nil {
		return err
	}
	if waited := time.Since(began); waited < 1900*time.Millisecond {
		return fmt.Errorf("all came after %v", waited)
	}
	return nil
}

func main() {
	names, run = os.Args[1], os.Args[2]
	rlog.SetLogLevel("error")
	topic := "GT-" + run
	passed, failed := 0, 0
	scenario := func(name string, err error) {
		if err != nil {
			failed++
			fmt.Printf("FAILED  %s: %v\n", name, err)
			return
		}
		passed++
		fmt.Printf("ok      %s\n", name)
	}
	scenario("sync, async and batch sends", send(topic))
	scenario("a push consumer gets every message", receive(topic, "GG", "*", 220))
	scenario("tags choose", receive(topic, "GTAG", "even || batch", 70))
	scenario("what a handler fails on comes again", fail("GTF-"+run))
	scenario("delayed messages come after their time", delay("GTD-"+run))
	scenario("a transaction is committed, rolled back, or asked about", transact("GTT-"+run))
	scenario("SQL92 chooses", choose("GTS-"+run))
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
