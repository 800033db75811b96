package troupe.interop;

import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;

/** A client for tools to look at: name server, topic, group; until its input ends. */
public final class Stay {
  private Stay() {}

  public static void main(String[] args) throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer(args[2] + "-producer");
    producer.setNamesrvAddr(args[0]);
    producer.start();
    String id = "";
    for (int i = 0; i < 8; ++i) {
      byte[] body = ("stay " + i).getBytes(StandardCharsets.UTF_8);
      id = producer.send(new Message(args[1], "blue", "stay" + i, body)).getMsgId();
    }
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(args[2]);
    consumer.setNamesrvAddr(args[0]);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(args[1], "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      messages.forEach(m -> System.out.println("got " + m.getMsgId()));
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    System.out.println("last " + id + " " + consumer.buildMQClientId());
    System.in.read();
    consumer.shutdown();
    producer.shutdown();
  }
}
