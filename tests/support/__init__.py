"""What tests share: the moving clock, the leak check, free ports, real peers."""
