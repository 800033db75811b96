package troupe.interop;

import static troupe.interop.Interop.await;
import static troupe.interop.Interop.check;
import static troupe.interop.Interop.checked;
import static troupe.interop.Interop.list;
import static troupe.interop.Interop.message;
import static troupe.interop.Interop.producer;
import static troupe.interop.Interop.scenario;
import static troupe.interop.Interop.stored;
import static troupe.interop.Interop.topic;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages that a listener cannot handle: tries, dead letters, and the order that stays. */
final class Retries {
  private Retries() {}

  static void scenarios() {
    scenario("what fails as often as it may is a dead letter", Retries::deadLetter);
    scenario("what a listener gives up is a dead letter at once", Retries::givenUp);
    scenario("an orderly consumer that suspends keeps the order", Retries::suspends);
    scenario("what an orderly consumer fails on is a dead letter", Retries::orderlyDeadLetter);
    scenario("a message sent back by hand comes again", Retries::sentBack);
  }

  /** A consumer of `topic` without a listener yet. */
  static DefaultMQPushConsumer consumer(String group, String topic) throws Exception {
    DefaultMQPushConsumer consumer = Interop.consumer(group, "*", list());
    consumer.unsubscribe(topic());
    consumer.subscribe(topic, "*");
    return consumer;
  }

  static Message sendOne(String topic) throws Exception {
    DefaultMQProducer producer = producer();
    Message m = message(topic, "one", 11);
    stored(producer.send(m));
    producer.shutdown();
    return m;
  }

  /** Waits for the only dead letter of the group, which has to be that message. */
  private static void awaitDeadLetter(String group, Message m, int tries) throws Exception {
    String dead = "%DLQ%" + group + "-" + Interop.run;
    List<MessageExt> got = list();
    DefaultMQPushConsumer consumer = consumer("DEAD-" + group, dead);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      got.addAll(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    await("it is in " + dead, () -> !got.isEmpty());
    consumer.shutdown();
    MessageExt letter = got.get(0);
    check(got.size() == 1 && checked(letter).equals(m.getKeys()), "dead letters " + got);
    check(letter.getTopic().equals(dead) && letter.getTags().equals("one"), "letter " + letter);
    check(letter.getReconsumeTimes() == tries, "tries " + letter);
    check(m.getTopic().equals(letter.getProperty("RETRY_TOPIC")), "topic before " + letter);
    String delay = letter.getProperty("DELAY"); // Java's broker leaves a 0 there
    check(delay == null || delay.equals("0"), "waits " + letter);
  }

  private static void deadLetter() throws Exception {
    Message m = sendOne(topic() + "-dead");
    List<Integer> tries = list();
    DefaultMQPushConsumer consumer = consumer("LETTERS", m.getTopic());
    consumer.setMaxReconsumeTimes(2);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      tries.add(messages.get(0).getReconsumeTimes());
      return ConsumeConcurrentlyStatus.RECONSUME_LATER;
    });
    consumer.start();
    await("tried three times", () -> tries.size() >= 3);
    awaitDeadLetter("LETTERS", m, 3);
    consumer.shutdown();
    check(tries.equals(List.of(0, 1, 2)), "tries " + tries);
  }

  private static void givenUp() throws Exception {
    Message m = sendOne(topic() + "-given-up");
    List<Integer> tries = list();
    DefaultMQPushConsumer consumer = consumer("GIVEN", m.getTopic());
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      tries.add(messages.get(0).getReconsumeTimes());
      context.setDelayLevelWhenNextConsume(-1);
      return ConsumeConcurrentlyStatus.RECONSUME_LATER;
    });
    consumer.start();
    awaitDeadLetter("GIVEN", m, 1);
    consumer.shutdown();
    check(tries.equals(List.of(0)), "tries " + tries);
  }

  /** Sends ten messages to one queue and returns their topic. */
  private static String ordered(String name) throws Exception {
    String topic = topic() + name;
    DefaultMQProducer producer = producer();
    MessageQueue queue = null;
    for (int i = 0; i < 10; ++i) {
      Message m = message(topic, "one", 11);
      m.putUserProperty("number", Integer.toString(i));
      if (queue == null) {
        queue = producer.send(m).getMessageQueue(); // makes the topic
      } else {
        stored(producer.send(m, queue));
      }
    }
    producer.shutdown();
    return topic;
  }

  /** The fourth message fails twice; those behind it wait. */
  private static void suspends() throws Exception {
    List<String> seen = list();
    DefaultMQPushConsumer consumer = consumer("SUSPENDS", ordered("-suspends"));
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      MessageExt m = messages.get(0);
      checked(m);
      seen.add(m.getUserProperty("number") + "." + m.getReconsumeTimes());
      context.setSuspendCurrentQueueTimeMillis(200);
      return m.getQueueOffset() == 3 && m.getReconsumeTimes() < 2
          ? ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT : ConsumeOrderlyStatus.SUCCESS;
    });
    consumer.start();
    await("the last came", () -> seen.contains("9.0"));
    consumer.shutdown();
    check(seen.equals(List.of("0.0", "1.0", "2.0", "3.0", "3.1", "3.2", "4.0", "5.0", "6.0", "7.0",
        "8.0", "9.0")), "seen " + seen);
  }

  private static void orderlyDeadLetter() throws Exception {
    String topic = ordered("-orderly-dead");
    List<String> seen = list();
    List<MessageExt> failing = list();
    DefaultMQPushConsumer consumer = consumer("ORDERED", topic);
    consumer.setMaxReconsumeTimes(2);
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      MessageExt m = messages.get(0);
      seen.add(m.getUserProperty("number"));
      context.setSuspendCurrentQueueTimeMillis(200);
      if (!m.getUserProperty("number").equals("3")) {
        return ConsumeOrderlyStatus.SUCCESS;
      }
      failing.add(m);
      return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
    });
    consumer.start();
    await("the last came", () -> seen.contains("9"));
    Message m = new Message(topic, "one", failing.get(0).getKeys(), failing.get(0).getBody());
    boolean old = MQVersion.CURRENT_VERSION < MQVersion.Version.V5_0_0.ordinal();
    awaitDeadLetter("ORDERED", m, old ? 2 : 3); // as the clients count
    consumer.shutdown();
    check(seen.equals(List.of("0", "1", "2", "3", "3", "3", "4", "5", "6", "7", "8", "9")),
        "seen " + seen);
  }

  private static void sentBack() throws Exception {
    Message m = sendOne(topic() + "-sent-back");
    List<MessageExt> got = list();
    List<Exception> wrong = list();
    DefaultMQPushConsumer consumer = consumer("BACK", m.getTopic());
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      got.addAll(messages);
      if (messages.get(0).getReconsumeTimes() == 0) {
        try {
          consumer.sendMessageBack(messages.get(0), 1);
        } catch (Exception e) {
          wrong.add(e);
        }
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    await("it came again", () -> got.size() >= 2);
    consumer.shutdown();
    check(wrong.isEmpty() && checked(got.get(1)).equals(m.getKeys()), "came " + got + wrong);
    check(got.get(1).getReconsumeTimes() == 1, "tries " + got.get(1));
    check(got.get(1).getTopic().equals(m.getTopic()), "topic " + got.get(1));
  }
}
