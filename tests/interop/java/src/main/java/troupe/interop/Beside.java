package troupe.interop;

import static troupe.interop.Interop.await;
import static troupe.interop.Interop.check;
import static troupe.interop.Interop.checked;
import static troupe.interop.Interop.keys;
import static troupe.interop.Interop.list;
import static troupe.interop.Interop.message;
import static troupe.interop.Interop.names;
import static troupe.interop.Interop.run;
import static troupe.interop.Interop.scenario;
import static troupe.interop.Interop.stored;
import static troupe.interop.Interop.unique;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** A node and a Java broker in one route; ../run made the topic at both, and stops one of them. */
final class Beside {
  private Beside() {}

  /** Of those two, `leaving` is the one that programs of these names stop and start again. */
  static void scenarios(String topic, String staying, String leaving, String stop, String start) {
    scenario("two brokers in one route, of which one goes and comes back",
        () -> goesOn(topic, staying, leaving, stop, start));
  }

  private static void program(String name) throws Exception {
    Process done = new ProcessBuilder(name).inheritIO().start();
    check(done.waitFor(120, TimeUnit.SECONDS) && done.exitValue() == 0, name + " failed");
  }

  private static Map<String, Integer> queues(DefaultMQProducer producer, String topic) {
    Map<String, Integer> count = new TreeMap<>();
    try {
      producer.getDefaultMQProducerImpl().getMqClientFactory()
          .updateTopicRouteInfoFromNameServer(topic);
      for (MessageQueue queue : producer.fetchPublishMessageQueues(topic)) {
        count.merge(queue.getBrokerName(), 1, Integer::sum);
      }
    } catch (Exception e) {
      return Map.of();
    }
    return count;
  }

  private static Set<String> send(DefaultMQProducer producer, String topic) throws Exception {
    Set<String> all = new HashSet<>();
    for (MessageQueue queue : producer.fetchPublishMessageQueues(topic)) {
      for (int i = 0; i < 5; ++i) {
        Message m = message(topic, "b", i);
        stored(producer.send(m, queue));
        all.add(m.getKeys());
      }
    }
    for (int i = 0; i < 20; ++i) { // where the client likes
      Message m = message(topic, "b", i);
      stored(producer.send(m));
      all.add(m.getKeys());
    }
    return all;
  }

  private static void goesOn(String topic, String staying, String leaving, String stop,
                             String start) throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer("PB-" + run);
    producer.setNamesrvAddr(names);
    producer.setInstanceName("i" + unique.incrementAndGet());
    producer.setPollNameServerInterval(1000);
    producer.start();
    Map<String, Integer> both = new TreeMap<>(Map.of(staying, 4, leaving, 4));
    await("both are in the route", () -> queues(producer, topic).equals(both));
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = Retries.consumer("BESIDE", topic);
    consumer.setPollNameServerInterval(1000);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      got.addAll(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    Set<String> all = send(producer, topic);
    await("all came", () -> keys(got).containsAll(all));
    Set<String> from = new HashSet<>();
    for (MessageExt m : got.toArray(new MessageExt[0])) {
      checked(m);
      from.add(m.getBrokerName());
    }
    check(from.equals(both.keySet()), "came from " + from);
    program(stop);
    await("one is in the route", () -> queues(producer, topic).equals(Map.of(staying, 4)));
    Set<String> alone = send(producer, topic);
    await("the client goes on", () -> keys(got).containsAll(alone));
    program(start);
    await("both are there again", () -> queues(producer, topic).equals(both));
    Set<String> again = send(producer, topic);
    await("all came again", () -> keys(got).containsAll(again));
    consumer.shutdown();
    producer.shutdown();
  }
}
