package troupe.interop;

import static troupe.interop.Interop.await;
import static troupe.interop.Interop.check;
import static troupe.interop.Interop.list;
import static troupe.interop.Interop.names;
import static troupe.interop.Interop.producer;
import static troupe.interop.Interop.run;
import static troupe.interop.Interop.scenario;
import static troupe.interop.Interop.stored;
import static troupe.interop.Interop.unique;

import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * One leaves messages that wait in its directory, another one opens that directory: `leave` with
 * the first, `find` with the second. What a message holds follows from its key alone.
 */
final class Directory {
  private static final int LEVELS = 18;
  private static final int MANY = 20;

  private Directory() {}

  private static String body(String key) {
    return key + ":" + "y".repeat(key.hashCode() & 511);
  }

  private static Message message(String topic, String tag, String key) {
    Message m = new Message(topic, tag, key, body(key).getBytes(StandardCharsets.UTF_8));
    m.putUserProperty("color", "blue " + key);
    return m;
  }

  private static String checked(MessageExt m) {
    String key = m.getKeys();
    check(body(key).equals(new String(m.getBody(), StandardCharsets.UTF_8))
        && ("blue " + key).equals(m.getUserProperty("color")), "not as it was sent: " + m);
    return key;
  }

  static void leave(String topic) {
    scenario("leaves messages that were consumed, that wait, and half ones", () -> {
      TransactionMQProducer half = transactional(new Undecided());
      DefaultMQProducer producer = producer();
      for (int i = 0; i < MANY; ++i) {
        stored(producer.send(message(topic, "done", "done" + i)));
      }
      List<MessageExt> got = list();
      DefaultMQPushConsumer consumer = consumer(topic, got);
      consumer.start();
      await("those came", () -> got.size() >= MANY);
      consumer.shutdown(); // and says how far it is
      for (int i = 0; i < MANY; ++i) {
        stored(producer.send(message(topic, "plain", "plain" + i)));
      }
      for (int level = 1; level <= LEVELS; ++level) {
        Message m = message(topic, "level", "level" + level);
        m.setDelayTimeLevel(level);
        stored(producer.send(m));
      }
      for (int i = 0; i < MANY; ++i) {
        stored(half.sendMessageInTransaction(
            message(topic, i % 2 == 0 ? "commit" : "rollback", "half" + i), null));
      }
      producer.shutdown();
      half.shutdown();
    });
  }

  static void find(String topic) {
    scenario("what waited is delivered, and half messages are asked about", () -> {
      Undecided asked = new Undecided();
      TransactionMQProducer half = transactional(asked);
      List<MessageExt> got = list();
      DefaultMQPushConsumer consumer = consumer(topic, got);
      consumer.start();
      DefaultMQProducer producer = producer();
      stored(producer.send(message(topic, "new", "new")));
      stored(half.send(message(topic, "new", "newer"))); // so that its group is known
      Set<String> wanted = new HashSet<>(Set.of("new", "newer"));
      for (int i = 0; i < MANY; ++i) {
        wanted.add("plain" + i);
        if (i % 2 == 0) {
          wanted.add("half" + i);
        }
      }
      for (int level = 1; level <= LEVELS; ++level) {
        wanted.add("level" + level);
      }
      try {
        await("all came", () -> keys(got).containsAll(wanted));
      } finally {
        Set<String> missing = new TreeSet<>(wanted);
        missing.removeAll(keys(got));
        if (!missing.isEmpty()) {
          System.out.println("        missing " + missing + ", asked " + new TreeSet<>(asked.about));
        }
      }
      Thread.sleep(3000);
      consumer.shutdown();
      producer.shutdown();
      half.shutdown();
      check(keys(got).equals(wanted), "came as well: " + keys(got));
      check(asked.about.size() == MANY && asked.wrong.isEmpty(),
          "asked about " + asked.about + asked.wrong);
      System.out.println("        " + (got.size() - wanted.size()) + " came twice");
    });
  }

  private static Set<String> keys(Collection<MessageExt> got) {
    Set<String> all = new HashSet<>();
    for (MessageExt m : got.toArray(new MessageExt[0])) {
      all.add(checked(m));
    }
    return all;
  }

  private static DefaultMQPushConsumer consumer(String topic, List<MessageExt> got)
      throws Exception {
    DefaultMQPushConsumer consumer = Retries.consumer("DIRECTORY", topic);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      got.addAll(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    return consumer;
  }

  /** Decides when it is asked, by the tag. */
  private static final class Undecided implements TransactionListener {
    final Set<String> about = ConcurrentHashMap.newKeySet();
    final List<String> wrong = list();

    @Override
    public LocalTransactionState executeLocalTransaction(Message m, Object argument) {
      return LocalTransactionState.UNKNOW;
    }

    @Override
    public LocalTransactionState checkLocalTransaction(MessageExt m) {
      try {
        about.add(checked(m));
      } catch (Throwable e) {
        wrong.add(e.toString());
      }
      return m.getTags().equals("commit") ? LocalTransactionState.COMMIT_MESSAGE
          : LocalTransactionState.ROLLBACK_MESSAGE;
    }
  }

  private static TransactionMQProducer transactional(TransactionListener listener)
      throws Exception {
    TransactionMQProducer producer = new TransactionMQProducer("PDIR-" + run);
    producer.setNamesrvAddr(names);
    producer.setInstanceName("i" + unique.incrementAndGet());
    producer.setTransactionListener(listener);
    producer.start();
    return producer;
  }
}
