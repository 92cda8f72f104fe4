"""What makes a stack secure: certificates, logins of Kafka with their rights, and how clients use both."""
