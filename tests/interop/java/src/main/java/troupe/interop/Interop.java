package troupe.interop;

import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What an ordinary program does with the official client, each message checked by content. */
public final class Interop {
  static final int SECONDS = 60;
  /** Its broker may ask about a transaction again while the answer is on its way. */
  static final boolean JAVA = "java".equals(System.getProperty("troupe.against"));
  static String names;
  static String run; // part of every topic and group, so that runs do not meet
  private static int passed;
  private static int failed;

  interface Scenario {
    void run() throws Exception;
  }

  /** What was sent: body by its key, which is also the message's KEYS. */
  private static final Map<String, byte[]> sent = new ConcurrentHashMap<>();
  static final AtomicInteger unique = new AtomicInteger();

  public static void main(String[] args) throws Exception {
    names = args[0];
    run = args[1];
    switch (args.length > 2 ? args[2] : "everything") {
      case "guarded" -> Guarded.scenarios(args[3]);
      case "encrypted" -> Guarded.encrypted();
      case "plain" -> Guarded.closedToPlain();
      case "beside" -> Beside.scenarios(args[3], args[4], args[5], args[6], args[7]);
      case "leave" -> Directory.leave(args[3]);
      case "find" -> Directory.find(args[3]);
      default -> everything();
    }
    System.out.println(passed + " passed, " + failed + " failed");
    System.exit(failed == 0 ? 0 : 1);
  }

  private static void everything() {
    scenario("sync, async, oneway and batch sends", Interop::sends);
    scenario("a push consumer gets every message once", Interop::push);
    scenario("progress outlives the consumer", Interop::progress);
    scenario("two consumers share a group", Interop::shared);
    scenario("a broadcast reaches every consumer", Interop::broadcast);
    scenario("tags choose", Interop::tags);
    scenario("orderly consumers get each queue in order", Interop::orderly);
    scenario("a lite pull consumer gets every message", Interop::litePull);
    scenario("a waiting consumer hears soon", Interop::latency);
    scenario("messages are found by id, key and time", Interop::questions);
    scenario("what a listener fails on comes again", Interop::failures);
    Retries.scenarios();
    Services.scenarios();
    if (System.getProperty("troupe.restart") != null) {
      Restarts.scenarios();
    }
  }

  static void scenario(String name, Scenario scenario) {
    if (!name.contains(System.getProperty("troupe.only", ""))) {
      return;
    }
    try {
      scenario.run();
      ++passed;
      System.out.println("ok      " + name);
    } catch (Throwable e) {
      ++failed;
      System.out.println("FAILED  " + name + ": " + e);
      e.printStackTrace(System.out);
    }
  }

  static void check(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
  }

  static void await(String what, BooleanSupplier condition) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
    while (!condition.getAsBoolean()) {
      check(System.nanoTime() < end, "did not happen in " + SECONDS + " s: " + what);
      Thread.sleep(10);
    }
  }

  static String topic() {
    return "T-" + run;
  }

  static DefaultMQProducer producer() throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer("P-" + run + "-" + unique.incrementAndGet());
    producer.setNamesrvAddr(names);
    producer.setInstanceName("i" + unique.incrementAndGet());
    producer.start();
    return producer;
  }

  static Message message(String topic, String tag, int size) {
    String key = "k" + unique.incrementAndGet() + "-" + run;
    byte[] body = (key + ":" + "x".repeat(size)).getBytes(StandardCharsets.UTF_8);
    Message message = new Message(topic, tag, key, body);
    message.putUserProperty("size", Integer.toString(size));
    sent.put(key, body);
    return message;
  }

  static void stored(SendResult result) {
    check(result.getSendStatus() == SendStatus.SEND_OK, "status " + result.getSendStatus());
  }

  /** The key of a message that is as it was sent. */
  static String checked(MessageExt m) {
    byte[] body = sent.get(m.getKeys());
    check(body != null, "nobody sent " + m);
    check(Arrays.equals(body, m.getBody()), "another body than sent: " + m);
    int size = body.length - m.getKeys().length() - 1;
    check(Integer.toString(size).equals(m.getUserProperty("size")), "another property: " + m);
    return m.getKeys();
  }

  private static final Set<String> first = Collections.synchronizedSet(new HashSet<>());

  private static void sends() throws Exception {
    DefaultMQProducer producer = producer();
    for (int i = 0; i < 100; ++i) {
      Message m = message(topic(), i % 2 == 0 ? "even" : "odd", i == 7 ? 20000 : i);
      stored(producer.send(m));
      first.add(m.getKeys());
    }
    List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic());
    check(queues.size() == 4, "queues " + queues);
    Message chosen = message(topic(), "even", 5);
    SendResult there = producer.send(chosen, queues.get(2));
    check(there.getMessageQueue().equals(queues.get(2)), "another queue: " + there);
    first.add(chosen.getKeys());
    CountDownLatch answered = new CountDownLatch(200);
    AtomicInteger good = new AtomicInteger();
    for (int i = 0; i < 200; ++i) {
      Message m = message(topic(), "async", 100);
      first.add(m.getKeys());
      producer.send(m, new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          good.incrementAndGet();
          answered.countDown();
        }

        @Override
        public void onException(Throwable e) {
          System.out.println(e);
          answered.countDown();
        }
      });
    }
    check(answered.await(SECONDS, TimeUnit.SECONDS) && good.get() == 200, "async " + good);
    for (int i = 0; i < 10; ++i) {
      Message m = message(topic(), "oneway", 3);
      first.add(m.getKeys());
      producer.sendOneway(m);
    }
    List<Message> batch = new ArrayList<>();
    for (int i = 0; i < 50; ++i) {
      Message m = message(topic(), "batch", i);
      first.add(m.getKeys());
      batch.add(m);
    }
    stored(producer.send(batch));
    producer.shutdown();
  }

  static DefaultMQPushConsumer consumer(String group, String expression,
                                                List<MessageExt> got) throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group + "-" + run);
    consumer.setNamesrvAddr(names);
    consumer.setInstanceName("i" + unique.incrementAndGet());
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic(), expression);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      got.addAll(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    return consumer;
  }

  static <T> List<T> list() {
    return Collections.synchronizedList(new ArrayList<>());
  }

  static Set<String> keys(List<MessageExt> got) {
    Set<String> keys = new HashSet<>();
    for (MessageExt m : got.toArray(new MessageExt[0])) {
      keys.add(checked(m));
    }
    return keys;
  }

  private static void push() throws Exception {
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = consumer("PUSH", "*", got);
    consumer.start();
    await("all came", () -> got.size() >= first.size());
    check(keys(got).equals(first) && got.size() == first.size(), "came: " + got.size());
    consumer.shutdown();
  }

  private static void progress() throws Exception {
    DefaultMQProducer producer = producer();
    Set<String> more = new HashSet<>();
    for (int i = 0; i < 10; ++i) {
      Message m = message(topic(), "more", i);
      stored(producer.send(m));
      more.add(m.getKeys());
    }
    first.addAll(more);
    producer.shutdown();
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = consumer("PUSH", "*", got);
    consumer.start();
    await("the new ones came", () -> got.size() >= more.size());
    check(keys(got).equals(more), "others came as well: " + got.size());
    consumer.shutdown();
  }

  private static void shared() throws Exception {
    List<MessageExt> one = list();
    List<MessageExt> two = list();
    DefaultMQPushConsumer a = consumer("SHARED", "*", one);
    DefaultMQPushConsumer b = consumer("SHARED", "*", two);
    a.start();
    b.start();
    await("both have queues", () -> {
      try {
        return a.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().size() >= 2
            && b.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().size() >= 2;
      } catch (Exception e) {
        return false;
      }
    });
    await("all came", () -> {
      Set<String> all = keys(one);
      all.addAll(keys(two));
      return all.equals(first);
    });
    one.clear();
    two.clear();
    DefaultMQProducer producer = producer();
    for (MessageQueue queue : producer.fetchPublishMessageQueues(topic())) {
      Message m = message(topic(), "shared", 1);
      first.add(m.getKeys());
      stored(producer.send(m, queue));
    }
    producer.shutdown();
    await("each got its queues' messages", () -> one.size() + two.size() >= 4);
    check(one.size() == 2 && two.size() == 2, one.size() + " and " + two.size());
    a.shutdown();
    b.shutdown();
  }

  private static void broadcast() throws Exception {
    List<MessageExt> one = list();
    List<MessageExt> two = list();
    DefaultMQPushConsumer a = consumer("BROADCAST", "*", one);
    DefaultMQPushConsumer b = consumer("BROADCAST", "*", two);
    broadcasts(a);
    broadcasts(b);
    a.start();
    b.start();
    await("all came to both", () -> keys(one).equals(first) && keys(two).equals(first));
    a.shutdown();
    b.shutdown();
  }

  /** The type of the argument lies in another package in each line of versions. */
  @SuppressWarnings({"unchecked", "rawtypes"})
  private static void broadcasts(DefaultMQPushConsumer consumer) throws Exception {
    for (Method method : DefaultMQPushConsumer.class.getMethods()) {
      if (method.getName().equals("setMessageModel")) {
        Class<? extends Enum> type = (Class<? extends Enum>) method.getParameterTypes()[0];
        method.invoke(consumer, Enum.valueOf(type, "BROADCASTING"));
      }
    }
  }

  private static void tags() throws Exception {
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = consumer("TAGS", "even || batch", got);
    consumer.start();
    await("those came", () -> got.size() >= 101);
    check(keys(got).size() == 101, "came: " + got.size());
    for (MessageExt m : got) {
      check(m.getTags().equals("even") || m.getTags().equals("batch"), "tag " + m.getTags());
    }
    consumer.shutdown();
  }

  private static void orderly() throws Exception {
    String ordered = topic() + "-ordered";
    DefaultMQProducer producer = producer();
    producer.send(message(ordered, "o", 0)); // makes the topic
    List<MessageQueue> queues = producer.fetchPublishMessageQueues(ordered);
    for (int i = 0; i < 200; ++i) {
      stored(producer.send(message(ordered, "o", i), queues.get(i % queues.size())));
    }
    producer.shutdown();
    Map<Integer, List<Long>> offsets = new ConcurrentHashMap<>();
    AtomicInteger count = new AtomicInteger();
    List<DefaultMQPushConsumer> consumers = new ArrayList<>();
    for (int c = 0; c < 2; ++c) {
      DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("ORDERLY-" + run);
      consumer.setNamesrvAddr(names);
      consumer.setInstanceName("i" + unique.incrementAndGet());
      consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
      consumer.subscribe(ordered, "*");
      consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
        for (MessageExt m : messages) {
          checked(m);
          offsets.computeIfAbsent(m.getQueueId(), q -> list()).add(m.getQueueOffset());
          count.incrementAndGet();
        }
        return ConsumeOrderlyStatus.SUCCESS;
      });
      consumer.start();
      consumers.add(consumer);
    }
    await("all came", () -> count.get() >= 201);
    for (List<Long> of : offsets.values()) {
      for (int i = 0; i < of.size(); ++i) {
        check(of.get(i) == i, "out of order: " + of);
      }
    }
    for (DefaultMQPushConsumer consumer : consumers) {
      consumer.shutdown();
    }
  }

  private static void litePull() throws Exception {
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer("LITE-" + run);
    consumer.setNamesrvAddr(names);
    consumer.setInstanceName("i" + unique.incrementAndGet());
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic(), "*");
    consumer.start();
    List<MessageExt> got = list();
    await("all came", () -> {
      got.addAll(consumer.poll(100));
      return got.size() >= first.size();
    });
    check(keys(got).equals(first), "came: " + got.size());
    consumer.shutdown();
  }

  private static void latency() throws Exception {
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = consumer("LATENCY", "now", got);
    consumer.start();
    DefaultMQProducer producer = producer();
    Message warm = message(topic(), "now", 1);
    first.add(warm.getKeys());
    stored(producer.send(warm));
    await("the first came", () -> got.size() == 1);
    long worst = 0;
    for (int i = 0; i < 20; ++i) {
      int before = got.size();
      Thread.sleep(50); // until its pull waits at the server again
      long began = System.nanoTime();
      Message m = message(topic(), "now", 1);
      first.add(m.getKeys());
      stored(producer.send(m));
      while (got.size() == before) {
        check(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(SECONDS), "never came");
        Thread.onSpinWait();
      }
      worst = Math.max(worst, System.nanoTime() - began);
    }
    System.out.println("        worst of 20: " + worst / 1000 + " us from send to listener");
    check(worst < TimeUnit.SECONDS.toNanos(2), "too late: " + worst + " ns");
    producer.shutdown();
    consumer.shutdown();
  }

  /** Each message fails twice; each try is counted by the broker. */
  private static void failures() throws Exception {
    DefaultMQProducer producer = producer();
    String failing = topic() + "-failing";
    Set<String> all = new HashSet<>();
    for (int i = 0; i < 10; ++i) {
      Message m = message(failing, "f", i);
      stored(producer.send(m));
      all.add(m.getKeys());
    }
    producer.shutdown();
    Map<String, AtomicInteger> tries = new ConcurrentHashMap<>();
    Set<String> done = Collections.synchronizedSet(new HashSet<>());
    List<String> wrong = list();
    DefaultMQPushConsumer consumer = consumer("FAILING", "*", list());
    consumer.unsubscribe(topic());
    consumer.subscribe(failing, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      context.setDelayLevelWhenNextConsume(1);
      MessageExt m = messages.get(0); // one at a time is the default
      int before = tries.computeIfAbsent(checked(m), k -> new AtomicInteger()).getAndIncrement();
      if (m.getReconsumeTimes() != before || !m.getTopic().equals(failing)) {
        wrong.add(m.toString());
      }
      if (before < 2) {
        return ConsumeConcurrentlyStatus.RECONSUME_LATER;
      }
      done.add(m.getKeys());
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    await("all came a third time", () -> done.equals(all));
    check(wrong.isEmpty(), "not as it failed: " + wrong);
    consumer.shutdown();
  }

  private static void questions() throws Exception {
    DefaultMQProducer producer = producer();
    Message m = message(topic(), "asked", 9);
    first.add(m.getKeys());
    long before = System.currentTimeMillis();
    SendResult result = producer.send(m);
    MessageExt found = producer.viewMessage(topic(), result.getOffsetMsgId());
    check(checked(found).equals(m.getKeys()), "by offset id: " + found);
    await("the index has it", () -> {
      try {
        return producer.queryMessage(topic(), m.getKeys(), 10, 0, Long.MAX_VALUE)
            .getMessageList().size() == 1;
      } catch (Exception e) {
        return false;
      }
    });
    MessageQueue queue = result.getMessageQueue();
    check(producer.maxOffset(queue) == result.getQueueOffset() + 1, "maxOffset");
    check(producer.minOffset(queue) == 0, "minOffset");
    long at = producer.searchOffset(queue, before);
    check(at <= result.getQueueOffset() && at > 0, "searchOffset " + at);
    producer.shutdown();
  }
}
