"""Ask a trained model questions.

python scripts/chat.py outputs/demo
"""

from ratchet.commands import chat

if __name__ == "__main__":
    chat()
