package troupe.interop;

import static troupe.interop.Interop.await;
import static troupe.interop.Interop.check;
import static troupe.interop.Interop.checked;
import static troupe.interop.Interop.keys;
import static troupe.interop.Interop.list;
import static troupe.interop.Interop.message;
import static troupe.interop.Interop.names;
import static troupe.interop.Interop.producer;
import static troupe.interop.Interop.run;
import static troupe.interop.Interop.scenario;
import static troupe.interop.Interop.stored;
import static troupe.interop.Interop.topic;
import static troupe.interop.Interop.unique;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What a broker does beyond storing and handing out: delays, transactions, filters, replies. */
final class Services {
  private Services() {}

  static void scenarios() {
    scenario("a delayed message comes after its time", Services::delayed);
    scenario("a transaction is committed, rolled back, or asked about", Services::transactions);
    scenario("a transaction outlives its producer", Services::successor);
    scenario("SQL92 chooses", Services::sql);
    scenario("a wrong expression is refused", Services::wrongSql);
    scenario("a request gets its reply", Services::requests);
  }

  static DefaultMQPushConsumer gather(String group, String topic, List<MessageExt> got)
      throws Exception {
    DefaultMQPushConsumer consumer = Retries.consumer(group, topic);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      got.addAll(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    return consumer;
  }

  private static void delayed() throws Exception {
    String topic = topic() + "-delayed";
    Retries.sendOne(topic);
    Map<String, Long> came = new ConcurrentHashMap<>();
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = Retries.consumer("DELAYED", topic);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt m : messages) {
        came.put(m.getKeys(), System.nanoTime());
        got.add(m);
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    await("the consumer is ready", () -> came.size() == 1);
    Map<String, Long> left = new ConcurrentHashMap<>();
    DefaultMQProducer producer = producer();
    for (int i = 0; i < 20; ++i) {
      Message m = message(topic, "later", i);
      m.setDelayTimeLevel(i % 2 + 1);
      left.put(m.getKeys(), System.nanoTime());
      stored(producer.send(m));
    }
    producer.shutdown();
    await("all came", () -> came.size() == 21);
    consumer.shutdown();
    check(keys(got).size() == 21 && got.size() == 21, "came twice: " + got.size());
    long least = Long.MAX_VALUE;
    long most = 0;
    for (MessageExt m : got) {
      check(m.getTopic().equals(topic), "topic " + m);
      if (left.containsKey(m.getKeys())) {
        long waited = (came.get(m.getKeys()) - left.get(m.getKeys())) / 1_000_000;
        boolean second = Integer.parseInt(m.getUserProperty("size")) % 2 == 1;
        check(waited >= (second ? 1900 : 900), "came after " + waited + " ms: " + m);
        least = Math.min(least, waited);
        most = Math.max(most, waited);
      }
    }
    System.out.println("        came after " + least + " to " + most + " ms");
    check(most < 9000, "too late: " + most + " ms");
  }

  private static TransactionMQProducer transactional(String group, TransactionListener listener)
      throws Exception {
    TransactionMQProducer producer = new TransactionMQProducer(group + "-" + run);
    producer.setNamesrvAddr(names);
    producer.setInstanceName("i" + unique.incrementAndGet());
    producer.setTransactionListener(listener);
    producer.start();
    return producer;
  }

  /** By the tag of a message: commits, rolls back, or is asked twice and then does so. */
  private static final class Decider implements TransactionListener {
    final Map<String, AtomicInteger> asked = new ConcurrentHashMap<>();
    final List<String> wrong = list();

    @Override
    public LocalTransactionState executeLocalTransaction(Message m, Object argument) {
      return switch (m.getTags()) {
        case "commit" -> LocalTransactionState.COMMIT_MESSAGE;
        case "rollback" -> LocalTransactionState.ROLLBACK_MESSAGE;
        default -> LocalTransactionState.UNKNOW;
      };
    }

    @Override
    public LocalTransactionState checkLocalTransaction(MessageExt m) {
      try {
        checked(m);
      } catch (Throwable e) {
        wrong.add(e.toString());
      }
      int times = asked.computeIfAbsent(m.getKeys(), k -> new AtomicInteger()).incrementAndGet();
      if (!m.getTags().startsWith("ask") || m.getTransactionId() == null) {
        wrong.add(m.toString());
      }
      return times < 2 ? LocalTransactionState.UNKNOW
          : m.getTags().equals("ask-commit") ? LocalTransactionState.COMMIT_MESSAGE
          : LocalTransactionState.ROLLBACK_MESSAGE;
    }
  }

  private static void transactions() throws Exception {
    String topic = topic() + "-transactions";
    Decider decider = new Decider();
    TransactionMQProducer producer = transactional("TX", decider);
    Set<String> committed = new HashSet<>();
    for (int i = 0; i < 5; ++i) {
      for (String tag : List.of("rollback", "ask-rollback", "ask-commit", "commit")) {
        Message m = message(topic, tag, i);
        stored(producer.sendMessageInTransaction(m, null));
        if (tag.endsWith("commit")) {
          committed.add(m.getKeys());
        }
      }
    }
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = gather("TX", topic, got);
    consumer.start();
    await("what was committed came", () -> got.size() >= 10);
    await("asked twice", () -> decider.asked.size() == 10
        && decider.asked.values().stream().allMatch(n -> n.get() == 2 || Interop.JAVA && n.get() > 2));
    Message last = Retries.sendOne(topic);
    await("the last came", () -> keys(got).contains(last.getKeys()));
    consumer.shutdown();
    producer.shutdown();
    committed.add(last.getKeys());
    check(decider.wrong.isEmpty(), "asked about " + decider.wrong);
    check(keys(got).equals(committed) && got.size() == 11, "came " + got);
    for (MessageExt m : got) {
      check(m.getTopic().equals(topic), "topic " + m);
    }
  }

  /** The producer goes before it decides; another one of its group is asked. */
  private static void successor() throws Exception {
    String topic = topic() + "-successor";
    TransactionMQProducer one = transactional("TXS", new Decider());
    Message m = message(topic, "ask-commit", 5);
    stored(one.sendMessageInTransaction(m, null));
    one.shutdown();
    Decider decider = new Decider();
    TransactionMQProducer two = transactional("TXS", decider);
    stored(two.send(message(topic, "t", 1))); // connects, and so says who it is
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = gather("TXS", topic, got);
    consumer.start();
    await("it was committed", () -> keys(got).contains(m.getKeys()));
    consumer.shutdown();
    two.shutdown();
    check(decider.asked.containsKey(m.getKeys()) && decider.wrong.isEmpty(), "not asked");
  }

  private static void sql() throws Exception {
    String topic = topic() + "-sql";
    DefaultMQProducer producer = producer();
    Set<String> wanted = new HashSet<>();
    for (int i = 0; i < 60; ++i) {
      Message m = message(topic, i % 2 == 0 ? "even" : "odd", i);
      if (i % 3 != 0) {
        m.putUserProperty("color", i % 3 == 1 ? "blue" : "it's red");
      }
      stored(producer.send(m));
      if (i >= 10 && i <= 40 && i % 2 == 0 && i % 3 == 1 || i == 50 || i % 3 == 0 && i > 55) {
        wanted.add(m.getKeys());
      }
    }
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = gather("SQL", topic, got);
    consumer.unsubscribe(topic);
    consumer.subscribe(topic, MessageSelector.bySql("(size BETWEEN 10 AND 40 AND TAGS = 'even'"
        + " AND color IN ('blue', 'green')) OR (color = 'it''s red' AND size = 50)"
        + " OR (color IS NULL AND size > 55)"));
    consumer.start();
    await("those came", () -> got.size() >= wanted.size());
    Message last = message(topic, "odd", 99); // passes, as the last
    wanted.add(last.getKeys());
    stored(producer.send(last));
    await("the last came", () -> keys(got).contains(last.getKeys()));
    consumer.shutdown();
    producer.shutdown();
    check(keys(got).equals(wanted) && got.size() == wanted.size(), "came " + got);
  }

  private static void wrongSql() throws Exception {
    DefaultMQPushConsumer consumer = gather("WRONG", topic(), list());
    consumer.unsubscribe(topic());
    consumer.subscribe(topic(), MessageSelector.bySql("size > AND"));
    boolean refused = false;
    try {
      consumer.start();
    } catch (MQClientException e) {
      refused = true;
    }
    consumer.shutdown();
    check(refused, "it started");
  }

  private static void requests() throws Exception {
    String topic = topic() + "-requests";
    DefaultMQProducer asker = producer();
    DefaultMQProducer replier = producer();
    DefaultMQPushConsumer consumer = Retries.consumer("REPLIES", topic);
    List<String> wrong = list();
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt m : messages) {
        try {
          if ("asks".equals(m.getTags())) {
            byte[] body = ("re " + m.getKeys()).getBytes(StandardCharsets.UTF_8);
            stored(replier.send(MessageUtil.createReplyMessage(m, body)));
          }
        } catch (Exception e) {
          wrong.add(e.toString());
        }
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    Retries.sendOne(topic); // makes the topic, so that the consumer knows its queues
    consumer.start();
    long worst = 0;
    for (int i = 0; i < 10; ++i) {
      Message m = message(topic, "asks", i);
      long began = System.nanoTime();
      Object reply = ask(asker, m, 30_000);
      worst = i == 0 ? 0 : Math.max(worst, System.nanoTime() - began);
      check(("re " + m.getKeys()).equals(reply), "reply " + reply);
    }
    System.out.println("        worst of 9: " + worst / 1000 + " us from request to reply");
    if (MQVersion.CURRENT_VERSION < MQVersion.Version.V5_0_0.ordinal()) {
      Message m = message(topic, "asks", 5); // 5.3.3 does not wait (apache/rocketmq issue 9319)
      check(("re " + m.getKeys()).equals(text(asker.request(m, 30_000))), "reply");
    }
    Object late = ask(asker, message(topic, "silent", 5), 1000);
    check(late instanceof RequestTimeoutException && wrong.isEmpty(), late + ", wrong " + wrong);
    consumer.shutdown();
    asker.shutdown();
    replier.shutdown();
  }

  private static String text(Message m) {
    return new String(m.getBody(), StandardCharsets.UTF_8);
  }

  /** What is said to the callback, which 5.3.3 calls with nothing when the request is sent. */
  private static Object ask(DefaultMQProducer asker, Message m, long timeout) throws Exception {
    AtomicReference<Object> answer = new AtomicReference<>();
    asker.request(m, new RequestCallback() {
      @Override
      public void onSuccess(Message reply) {
        if (reply != null) {
          answer.set(text(reply));
        }
      }

      @Override
      public void onException(Throwable e) {
        answer.set(e);
      }
    }, timeout);
    await("the callback hears", () -> answer.get() != null);
    return answer.get();
  }
}
