"""Ask a trained model questions, or let rows of its task go through: prompt, completion, extraction, grade, rewards.

python scripts/chat.py outputs/demo
python scripts/chat.py outputs/demo --row 12
python scripts/chat.py MODEL --task aquarat --row 12 --data.source FOLDER
"""

from ratchet.commands import chat

if __name__ == "__main__":
    chat()
