package troupe.interop;

import static troupe.interop.Interop.await;
import static troupe.interop.Interop.check;
import static troupe.interop.Interop.keys;
import static troupe.interop.Interop.list;
import static troupe.interop.Interop.message;
import static troupe.interop.Interop.producer;
import static troupe.interop.Interop.scenario;
import static troupe.interop.Interop.topic;

import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** The node is killed and started again under clients that go on. */
final class Restarts {
  private Restarts() {}

  static void scenarios() {
    scenario("a push consumer outlives a killed node", () -> killed(false));
    scenario("an orderly consumer outlives a killed node", () -> killed(true));
    int times = Integer.getInteger("troupe.restarts", 5);
    scenario("consumers outlive " + times + " kills of a node that works", () -> Gaps.under(times));
  }

  static void restart() throws Exception {
    Process done = new ProcessBuilder(System.getProperty("troupe.restart")).inheritIO().start();
    check(done.waitFor(60, TimeUnit.SECONDS) && done.exitValue() == 0, "the node did not start");
  }

  private static void killed(boolean orderly) throws Exception {
    String topic = topic() + (orderly ? "-killed-orderly" : "-killed");
    Set<String> acknowledged = Collections.synchronizedSet(new HashSet<>());
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer =
        Retries.consumer(orderly ? "KILLED-ORDERLY" : "KILLED", topic);
    if (orderly) {
      consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
        got.addAll(messages);
        return ConsumeOrderlyStatus.SUCCESS;
      });
    } else {
      consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
        got.addAll(messages);
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
      });
    }
    DefaultMQProducer producer = producer();
    send(producer, topic, acknowledged, 100);
    consumer.start();
    await("they came", () -> keys(got).containsAll(acknowledged));
    restart();
    long began = System.nanoTime();
    int before = acknowledged.size();
    while (acknowledged.size() == before) {
      check(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(60), "nothing can be sent");
      send(producer, topic, acknowledged, 1);
    }
    long sent = System.nanoTime() - began;
    await("it came", () -> keys(got).containsAll(acknowledged));
    System.out.println("        " + sent / 1_000_000 + " ms from the start to the next send, "
        + (System.nanoTime() - began) / 1_000_000 + " ms to the listener");
    send(producer, topic, acknowledged, 100);
    await("all came", () -> keys(got).containsAll(acknowledged));
    consumer.shutdown();
    producer.shutdown();
    System.out.println("        " + (got.size() - keys(got).size()) + " came twice");
  }

  private static void send(DefaultMQProducer producer, String topic, Set<String> acknowledged,
                           int count) throws Exception {
    for (int i = 0; i < count; ++i) {
      Message m = message(topic, "k", i);
      try {
        if (producer.send(m).getSendStatus() == SendStatus.SEND_OK) {
          acknowledged.add(m.getKeys());
        }
      } catch (Exception e) {
        Thread.sleep(20); // what failed may be stored all the same
      }
    }
  }
}
